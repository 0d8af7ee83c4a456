"""Which start is shown."""

import math

from retrieve.problem.scoring import Score, select_start


def test_free_score_chooses_among_many_pixels():
    scores = [Score(0.010, 0.0120), Score(0.011, 0.0115), Score(0.020, 0.0300)]
    assert select_start(scores, 100_000, True) == 1


def test_within_its_standard_error_the_working_score_chooses():
    scores = [Score(0.010, 0.0120), Score(0.011, 0.0115), Score(0.001, 0.0300)]
    assert select_start(scores, 120, True) == 0  # √(2/120) is 13 %: the third is far outside


def test_with_supports_of_their_own_only_the_free_score_counts():
    scores = [Score(0.010, 0.0120), Score(0.011, 0.0115)]
    assert select_start(scores, 120, False) == 1


def test_failed_starts_are_left_out_and_the_first_of_equals_is_taken():
    scores = [Score(math.nan, math.nan, failure="NaN"), Score(0.010, 0.012), Score(0.010, 0.012)]
    assert select_start(scores, 120, True) == 1
    assert select_start([Score(0.02), Score(0.01)], 0, True) == 1
