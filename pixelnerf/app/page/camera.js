// The camera: OpenCV axes (right, down, forward) in the world, turned about a target.

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const plus = (a, b) => a.map((value, axis) => value + b[axis]);
const minus = (a, b) => a.map((value, axis) => value - b[axis]);
const times = (a, factor) => a.map((value) => value * factor);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const norm = (a) => Math.sqrt(dot(a, a));
const unit = (a) => times(a, 1 / norm(a));
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** A vector turned about a unit axis (Rodrigues), right-handed, in radians. */
const turned = (vector, axis, angle) =>
  plus(
    plus(times(vector, Math.cos(angle)), times(cross(axis, vector), Math.sin(angle))),
    times(axis, dot(axis, vector) * (1 - Math.cos(angle))),
  );

/** From {pose: 4x4 camera-to-world, intrinsics: 3x3 in pixels, size: [width, height]}, rows first. */
function cameraOf({ pose, intrinsics, size }) {
  const column = (index) => [pose[0][index], pose[1][index], pose[2][index]];
  return {
    axes: [column(0), column(1), column(2)],
    position: column(3),
    focal: [intrinsics[0][0], intrinsics[1][1]],
    center: [intrinsics[0][2], intrinsics[1][2]],
    skew: intrinsics[0][1],
    size,
  };
}

/** The camera for a canvas of another size: its whole image fits in, centred. */
function fitted(camera, size) {
  const scale = Math.min(size[0] / camera.size[0], size[1] / camera.size[1]);
  return {
    ...camera,
    focal: times(camera.focal, scale),
    center: camera.center.map((place, axis) => (place - camera.size[axis] / 2) * scale + size[axis] / 2),
    skew: camera.skew * scale,
    size,
  };
}

/** Turns a camera about a target, keeping between straight below and straight above, and goes nearer and farther. */
class Orbit {
  constructor(start, middle, radius, up) {
    this.start = start;
    this.up = unit(up);
    this.radius = radius;
    // On the optical axis, so that the first view is exactly the start's.
    const depth = dot(minus(middle, start.position), start.axes[2]);
    this.target = plus(start.position, times(start.axes[2], Math.max(depth, radius / 4)));
    this.camera = start;
  }

  reset() {
    this.camera = this.start;
  }

  turn(right, upward) {
    const { camera, up } = this;
    const elevation = Math.asin(clamp(-dot(camera.axes[2], up), -1, 1));
    const limit = Math.max(Math.PI / 2 - 0.03, Math.abs(elevation));
    const climb = clamp(elevation + upward, -limit, limit) - elevation;
    const move = (vector) => turned(turned(vector, camera.axes[0], -climb), up, right);
    const away = minus(camera.position, this.target);
    const [forward, side] = [unit(move(camera.axes[2])), move(camera.axes[0])];
    // Orthonormal again, or rounding adds up over a long turn.
    const down = unit(cross(forward, side));
    this.camera = { ...camera, axes: [cross(down, forward), down, forward], position: plus(this.target, move(away)) };
  }

  zoom(factor) {
    const away = minus(this.camera.position, this.target);
    const first = norm(minus(this.start.position, this.target));
    const distance = clamp(norm(away) * factor, Math.min(first, 1.05 * this.radius), Math.max(first, 12 * this.radius));
    this.camera = { ...this.camera, position: plus(this.target, times(unit(away), distance)) };
  }
}

/** What an object does until it is touched: it turns or, within `reach` radians of its first view, sways. */
class Idle {
  constructor(speed, reach) {
    this.speed = speed;
    this.reach = reach;
    this.phase = 0;
  }

  /** By how much to turn in the next seconds. */
  turn(seconds) {
    if (this.reach === null) return this.speed * seconds;
    const before = Math.sin(this.phase);
    this.phase += (this.speed / this.reach) * seconds;
    return this.reach * (Math.sin(this.phase) - before);
  }
}
