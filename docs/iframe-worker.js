// A browser starts no worker from file://. There, the search of this site runs its script in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(script) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.ready = new Promise((resolve) => {
        this.frame.onload = () => {
          const inner = this.frame.contentWindow;
          inner.postMessage = (data) => setTimeout(() => this.onmessage?.({ data: structuredClone(data) }));
          const tag = inner.document.createElement("script");
          tag.onload = () => resolve(inner);
          tag.onerror = (event) => this.onerror?.(event);
          tag.src = new URL(script, location);
          inner.document.head.append(tag);
        };
      });
      document.body.append(this.frame);
    }
    async postMessage(data) {
      (await this.ready).onmessage?.({ data: structuredClone(data) });
    }
    terminate() {
      this.frame.remove();
    }
  };
}
