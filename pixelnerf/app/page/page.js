// The page: loads the volume, draws when something changed, and listens to mouse, fingers, keys and buttons.

const TURN_PER_SECOND = 0.25;      // radians, until the visitor takes over; while it sways, the most
const TURN_PER_KEY = Math.PI / 36;
const ZOOM_PER_KEY = 1.1;
const MOST_PIXELS = 1.5e6;
const FRAME_MILLISECONDS = 30;     // while it moves; a slow machine draws fewer pixels
const REST_MILLISECONDS = 150;     // until it counts as resting, and is drawn as sharp as its screen
const SHARP_MILLISECONDS = 600;    // or as a picture in this time allows
// As in page.css. Dark desktops start with grey: on black a dark object would be invisible.
const GREYS = { white: 1, grey: 74 / 255, black: 0 };

const stage = document.getElementById("stage");
const canvas = document.getElementById("view");
const description = JSON.parse(document.getElementById("description").textContent);

class Page {
  constructor(volume) {
    this.renderer = new Renderer(canvas, volume, description);
    const middle = volume.low.map((face, axis) => (face + volume.high[axis]) / 2 - 1);
    const world = description.axes.map((axis, index) => times(axis, middle[index] * description.cell));
    this.orbit = new Orbit(
      cameraOf(description.start),
      world.reduce(plus, description.corner),
      (norm(minus(volume.high, volume.low)) / 2) * description.cell,
      description.up,
    );
    this.idle = new Idle(TURN_PER_SECOND, description.sway);
    this.shown = "color";
    this.background = matchMedia("(prefers-color-scheme: dark)").matches ? "grey" : "white";
    this.turning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.exact = null;
    this.share = 0.25;             // of the canvas's pixels along each side, while it moves
    this.sharpShare = 0.25;        // while it rests
    this.scheduled = false;
    this.lastMove = 0;
    this.lastFrame = 0;
    this.restTimer = 0;
  }

  /** Draws in the next frame, however often it is called until then. */
  changed() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  /** The camera moves: frames are drawn in time rather than sharp. */
  moved() {
    this.exact = null;
    this.lastMove = performance.now();
    this.changed();
  }

  /** The visitor moves the camera. */
  taken() {
    this.turning = false;
    this.moved();
  }

  frame(now) {
    this.scheduled = false;
    if (this.turning) {
      // Not more than a tenth of a second at once, after the page was hidden.
      this.orbit.turn(this.idle.turn(Math.min(now - this.lastFrame, 100) / 1000), 0);
      this.moved();
    }
    this.lastFrame = now;
    const resting = performance.now() - this.lastMove > REST_MILLISECONDS;
    const share = resting ? Math.max(this.share, this.sharpShare) : this.share;
    const began = performance.now();
    this.draw(this.exact ?? fitted(this.orbit.camera, this.size(share)));
    this.renderer.finish();
    if (this.exact) return;
    const spent = Math.max(performance.now() - began, 1);
    if (resting) {
      // Sharper in one or two more pictures, each in the time that the one before it lets expect.
      this.sharpShare = Math.min(share * Math.sqrt(SHARP_MILLISECONDS / spent), 1);
      if (this.sharpShare > 1.1 * share) this.changed();
    } else {
      this.share = clamp(this.share * clamp(Math.sqrt(FRAME_MILLISECONDS / spent), 0.5, 1.25), 0.15, 1);
      this.sharpShare = this.share;
      clearTimeout(this.restTimer);
      if (!this.turning) this.restTimer = setTimeout(() => this.changed(), REST_MILLISECONDS + 10);
    }
  }

  size(share) {
    const { width, height } = stage.getBoundingClientRect();
    const density = Math.min(devicePixelRatio || 1, 2, Math.sqrt(MOST_PIXELS / Math.max(width * height, 1)));
    return [width, height].map((side) => Math.max(Math.round(side * density * share), 1));
  }

  draw(camera) {
    this.renderer.draw(camera, this.shown, GREYS[this.background]);
  }

  show(shown) {
    this.shown = shown;
    this.pressed();
  }

  paint(background) {
    this.background = background;
    this.pressed();
  }

  reset() {
    this.orbit.reset();
    this.taken();
  }

  /** Marks the pressed buttons, and draws. */
  pressed() {
    document.documentElement.dataset.background = this.background;
    for (const button of document.querySelectorAll("[data-show]"))
      button.setAttribute("aria-pressed", button.dataset.show === this.shown);
    for (const button of document.querySelectorAll("[data-paint]"))
      button.setAttribute("aria-pressed", button.dataset.paint === this.background);
    this.changed();
  }

  listen() {
    this.listenToPointers();
    for (const button of document.querySelectorAll("[data-show]"))
      button.addEventListener("click", () => this.show(button.dataset.show));
    for (const button of document.querySelectorAll("[data-paint]"))
      button.addEventListener("click", () => this.paint(button.dataset.paint));
    document.getElementById("reset").addEventListener("click", () => this.reset());
    addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => { this.exact = null; this.changed(); }).observe(stage);
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.renderer.restore(); this.changed(); });
  }

  listenToPointers() {
    const pointers = new Map();
    const spread = () => {
      const [a, b] = [...pointers.values()];
      return Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      stage.classList.add("held");
      this.taken();
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const apart = pointers.size > 1 ? spread() : 0;
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (pointers.size > 1) {
        this.orbit.zoom(apart / spread());
      } else {
        const perPixel = Math.PI / Math.min(stage.clientWidth, stage.clientHeight);
        this.orbit.turn((last[0] - event.clientX) * perPixel, (event.clientY - last[1]) * perPixel);
      }
      this.taken();
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, (event) => {
        pointers.delete(event.pointerId);
        stage.classList.toggle("held", pointers.size > 0);
      });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      // A line is about 16 pixels; a pinch on a touchpad comes as small steps with Ctrl.
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 16);
      this.orbit.zoom(Math.exp(clamp(pixels * (event.ctrlKey ? 0.01 : 0.0015), -0.5, 0.5)));
      this.taken();
    }, { passive: false });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = (step) => () => { step(); this.taken(); };
    const toggle = (shown) => () => this.show(this.shown === shown ? "color" : shown);
    const greys = Object.keys(GREYS);
    const action = {
      ArrowLeft: move(() => this.orbit.turn(TURN_PER_KEY, 0)),
      ArrowRight: move(() => this.orbit.turn(-TURN_PER_KEY, 0)),
      ArrowUp: move(() => this.orbit.turn(0, -TURN_PER_KEY)),
      ArrowDown: move(() => this.orbit.turn(0, TURN_PER_KEY)),
      "+": move(() => this.orbit.zoom(1 / ZOOM_PER_KEY)),
      "=": move(() => this.orbit.zoom(1 / ZOOM_PER_KEY)),
      "-": move(() => this.orbit.zoom(ZOOM_PER_KEY)),
      c: () => this.show("color"),
      d: toggle("depth"),
      o: toggle("opacity"),
      b: () => this.paint(greys[(greys.indexOf(this.background) + 1) % greys.length]),
      r: () => this.reset(),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /**
   * Draws an exact camera, {pose, intrinsics, size} as in `description.start`, which stays until the visitor moves.
   * Returns the picture as the URL of a PNG.
   */
  render(camera) {
    this.turning = false;
    this.exact = cameraOf(camera);
    this.draw(this.exact);
    return canvas.toDataURL("image/png");
  }
}

async function open() {
  try {
    if (!window.WebGL2RenderingContext) throw new Error("WebGL 2 is missing");
    if (!window.DecompressionStream) throw new Error("DecompressionStream is missing");
    const codes = await inflate(document.getElementById("volume").textContent);
    const page = new Page(unpackVolume(codes, description));
    page.listen();
    page.pressed();
    page.draw(fitted(page.orbit.camera, page.size(page.share)));
    page.renderer.finish();
    document.documentElement.dataset.state = "ready";
    return { render: (camera) => page.render(camera) };
  } catch (error) {
    document.documentElement.dataset.state = "failed";
    document.getElementById("reason").textContent = error.message;
    return null;
  }
}

// For scripts: a promise of {render(camera)}, or of null where the object cannot be shown.
window.pixelnerfObject = open();
