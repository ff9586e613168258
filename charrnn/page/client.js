// The worker, from the page's side.

class Client {
  constructor(script) {
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    this.worker = new Worker(address);
    this.waiting = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message));
    };
  }

  // The last answer to a message; what comes before it goes to `piece`.
  ask(message, piece = () => {}) {
    const id = (this.last += 1);
    this.worker.postMessage({ ...message, id });
    return new Promise((resolve, reject) => this.waiting.set(id, { piece, resolve, reject }));
  }

  hear({ id, ...answer }) {
    const { piece, resolve, reject } = this.waiting.get(id);
    if (!answer.done) {
      piece(answer);
      return;
    }
    this.waiting.delete(id);
    if (answer.error) reject(new Error(answer.error));
    else resolve(answer);
  }
}

export { Client };
