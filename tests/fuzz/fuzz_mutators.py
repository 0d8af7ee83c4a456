"""Mutators: each damages a file, or makes a hostile one in its place, by a generator alone."""

import io
import json
import struct
import zipfile

import h5py
import numpy as np
from fuzz_bytes import TEXTS

# ---- arrays


def hostile(rng, array):
    """An array that a file may hold in the place of `array`; text is taken as zeros."""
    array = array if array.dtype.kind in "biufc" else np.zeros(array.shape)
    kinds = [
        lambda: array.astype(complex),
        lambda: array.astype(str),
        lambda: array.astype(bool),
        lambda: array.astype("S4"),
        lambda: np.zeros(array.shape, "datetime64[s]"),
        lambda: np.zeros(array.shape, [("a", "f4"), ("b", "i2")]),
        lambda: np.zeros((0, *array.shape[1:])),
        lambda: np.zeros((*array.shape, 0)),
        lambda: np.zeros((0, 0)),
        lambda: array[()].ravel(),
        lambda: np.float64(3),
        lambda: np.full(array.shape, np.nan),
        lambda: np.full(array.shape, np.inf),
        lambda: _with(array, rng, np.nan),
        lambda: _with(array, rng, -np.inf),
        lambda: -np.ones(array.shape),
        lambda: np.zeros(array.shape),
        lambda: np.ones(array.shape) * 1e38,
        lambda: _with(array, rng, 1e300),
        lambda: np.full(array.shape, 1e36, np.float32),
        lambda: _with(np.zeros(array.shape), rng, 1.0),
        lambda: array.reshape((1,) * 3 + array.shape),
        lambda: np.stack([array] * 3),
        lambda: array[:3, :3] if array.ndim >= 2 else array,
        lambda: np.pad(np.atleast_2d(array), 1),
        lambda: np.full(array.shape, 1e-40),
        lambda: np.arange(array.size, dtype=np.float16).reshape(array.shape) * np.float16(60),
        lambda: np.full(array.shape, 2**63, np.uint64),
        lambda: np.asfortranarray(array).astype(">f8") if array.dtype.kind in "iuf" else array,
        lambda: np.array("text"),
        lambda: np.zeros(array.shape, np.longdouble),
    ]
    return kinds[int(rng.integers(len(kinds)))]()


def _with(array, rng, value):
    made = np.array(array, np.float64)
    made.flat[int(rng.integers(max(1, made.size)))] = value
    return made


# ---- JSON


def hostile_value(rng, value):
    """A value in the place of one of JSON."""
    kinds = (None, True, -1, 0, 1e308, 10**30, "text", [], {}, [1, 2, 3, 4], [[[]]], {"a": None}, float("nan"), float("inf"))
    kinds += (*TEXTS, [value], {"value": value}, 10**400, -0.5, 99, 1_000_000_000)
    return kinds[int(rng.integers(len(kinds)))]


def mutate_json(text, rng):
    """JSON with a value changed, a name left out or changed, or broken as a text."""
    if rng.random() < 0.15:
        broken = (lambda: "[" * 100_000, lambda: text[: len(text) // 2], lambda: '{"a":' * 5000, lambda: "", lambda: "null")
        broken += (lambda: "[]", lambda: "3", lambda: '"text"', lambda: text + text, lambda: "\x00" + text)
        return broken[int(rng.integers(len(broken)))]()
    whole = json.loads(text)
    for _ in range(int(rng.integers(1, 4))):
        whole = _changed(whole, rng)
    return json.dumps(whole)


def _changed(whole, rng):
    places = list(_places(whole))
    if not places:
        return hostile_value(rng, whole)
    parent, key = places[int(rng.integers(len(places)))]
    action = rng.random()
    if action < 0.65:
        parent[key] = hostile_value(rng, parent[key])
    elif action < 0.85:
        del parent[key]
    elif isinstance(parent, dict):
        parent[str(rng.choice(TEXTS[:6])) + str(key)] = parent.pop(key)
    else:
        parent.append(parent[key])
    return whole


def _places(value):
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list) and len(value) < 1000:
        for k in range(len(value)):
            yield value, k
            yield from _places(value[k])


# ---- containers of arrays


def mutate_npz(path, rng):
    """An npz with an array or its meta changed, or with a header that claims much."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = str(rng.choice(list(arrays)))
    if name == "meta" and rng.random() < 0.8:
        arrays[name] = np.array(_without_lone(mutate_json(str(arrays[name]), rng)))
        np.savez(path, **arrays)
    elif rng.random() < 0.8:
        arrays[name] = hostile(rng, arrays[name])
        np.savez(path, **arrays)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for one, array in arrays.items():
                archive.writestr(f"{one}.npy", _boastful(rng) if one == name else _npy(array))


def mutate_npy(path, rng):
    """An npy with another array, or with a header that claims much."""
    if rng.random() < 0.3:
        path.write_bytes(_boastful(rng))
    else:
        np.save(path, hostile(rng, np.load(path)))


def _npy(array):
    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


def _boastful(rng):
    shapes = (
        "(1000000, 1000000)",
        "(10000000000000,)",
        "(-1, 16)",
        "(16, 16, 0)",
        "(1e9, 2)",
        "((16,), 16)",
        "(40000, 40000)",
        "16",
    )
    kinds = ("<f8", "|O", "<U4000000", "|V0", "<M8[s]", "f", "<f16", ">i2")
    header = f"{{'descr': '{rng.choice(kinds)}', 'fortran_order': False, 'shape': {rng.choice(shapes)}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(2048)


def _without_lone(text):
    return text.encode("utf-8", "replace").decode()


def mutate_hdf5(path, rng):
    """An HDF5 file with one of its objects changed."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visit(names.append)
        name = str(rng.choice(names))
        one = file[name]
        is_json = isinstance(one, h5py.Dataset) and one.shape == () and h5py.check_string_dtype(one.dtype)
        action = rng.random()
        if is_json and action < 0.75:
            text = one.asstr()[()]
            changed = mutate_json(text, rng) if text[:1] in "[{" else str(hostile_value(rng, text)).replace("\x00", "")
            del file[name]
            file[name] = changed.replace("\x00", " ").encode("utf-8", "surrogatepass")
        elif isinstance(one, h5py.Dataset) and action < 0.6:
            _replace(file, name, hostile(rng, one[()] if one.shape is not None and one.dtype.kind != "O" else np.zeros(4)))
        elif action < 0.7:
            del file[name]
        elif action < 0.75 and isinstance(one, h5py.Dataset):
            del file[name]
            file.create_group(name)
        elif action < 0.75:
            del file[name]
            file[name] = 3.0
        else:
            _link(file, name, path, rng)


def _replace(file, name, array):
    array = np.asarray(array)
    array = array.astype("S") if array.dtype.kind == "U" else array.astype("i8") if array.dtype.kind == "M" else array
    del file[name]
    file[name] = array


def _link(file, name, path, rng):
    """What is no array of the file itself: links, an empty dataset, huge fill values, a virtual dataset."""
    kind = int(rng.integers(8))
    del file[name]
    if kind == 0:
        file[name] = h5py.SoftLink("/" + name)
    elif kind == 1:
        file[name] = h5py.SoftLink("/" + name.partition("/")[0])
    elif kind == 2:
        file[name] = h5py.ExternalLink("/dev/null", "/data")
    elif kind == 3:
        file[name] = h5py.ExternalLink(path.name, "/" + name)
    elif kind == 4:
        file[name] = h5py.Empty("f4")
    elif kind == 5:
        file.create_dataset(name, (40_000, 40_000), "f8", chunks=(100, 100))
    elif kind == 6:
        file.create_dataset(name, (16, 16), "u1", external=[("/etc/passwd", 0, 256)])
    else:
        layout = h5py.VirtualLayout((16, 16), "f4")
        layout[:] = h5py.VirtualSource(path.name, name, (16, 16))
        file.create_virtual_dataset(name, layout)


def either(*mutators):
    """One of several mutators, drawn anew for each file."""
    return lambda path, rng: mutators[int(rng.integers(len(mutators)))](path, rng)
