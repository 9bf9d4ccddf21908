// Search runs in a worker, which browsers refuse to pages that are opened from disk. There, this runs
// its script in an invisible frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      const script = inner.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        const held = this.waiting;
        this.waiting = null;
        held.forEach((data) => this.postMessage(data));
      };
      script.onerror = () => this.onerror && this.onerror(new Event("error"));
      inner.document.body.append(script);
      this.inner = inner;
    }
    postMessage(data) {
      if (this.waiting) return void this.waiting.push(data);
      const event = new MessageEvent("message", { data });
      setTimeout(() => {
        if (this.inner.onmessage) this.inner.onmessage(event);
        else this.inner.dispatchEvent(event);
      });
    }
    terminate() {
      this.frame.remove();
    }
  };
}
