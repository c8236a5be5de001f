// WebGL 2: one program, the volume's textures, and a picture for a camera.

const SHOWN = { color: 0, depth: 1, opacity: 2 };
const MOST_RAYS_PER_SIDE = 16;

class Renderer {
  /** Throws where WebGL 2 is missing or refuses the program. */
  constructor(canvas, volume, description) {
    this.canvas = canvas;
    this.volume = volume;
    this.description = description;
    this.gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
    if (!this.gl) throw new Error("WebGL 2 is missing");
    this.restore();
  }

  /** Builds everything that lives on the GPU: at the start, and again after it was lost. */
  restore() {
    const { gl, volume } = this;
    this.program = this.link();
    gl.useProgram(this.program);
    this.uniforms = (name) => gl.getUniformLocation(this.program, name);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    volume.textures.forEach((values, index) => {
      this.texture(index, volume.size, gl.LINEAR, gl.RGBA16F, gl.RGBA, gl.FLOAT, values);
      gl.uniform1i(this.uniforms(index === 0 ? "matter" : `slopes[${index - 1}]`), index);
    });
    const unit = volume.textures.length;
    this.texture(unit, volume.blocks, gl.NEAREST, gl.R8, gl.RED, gl.UNSIGNED_BYTE, volume.occupied);
    gl.uniform1i(this.uniforms("occupied"), unit);
    gl.uniform3fv(this.uniforms("low"), volume.low);
    gl.uniform3fv(this.uniforms("high"), volume.high);
    gl.uniform3fv(this.uniforms("depthColors"), this.description.depthColors.flat());
  }

  link() {
    const { gl, description } = this;
    const constants = Object.entries({
      BLOCK, STOPS: description.depthColors.length, DEPTH: SHOWN.depth, OPACITY: SHOWN.opacity,
    }).map(([name, value]) => `#define ${name} ${value}\n`).join("");
    const triangle = `void main() { gl_Position = vec4(ivec2(gl_VertexID & 1, gl_VertexID >> 1) * 4 - 1, 0, 1); }`;
    const march = document.getElementById("march").textContent;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, triangle], [gl.FRAGMENT_SHADER, constants + march]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, "#version 300 es\n" + source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
      throw new Error("the graphics driver refuses the program: " + [gl.getProgramInfoLog(program), ...logs].join(" "));
    }
    return program;
  }

  texture(unit, [width, height, depth], filter, internal, format, type, values) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_3D, gl.createTexture());
    gl.texImage3D(gl.TEXTURE_3D, 0, internal, width, height, depth, 0, format, type, values);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R])
      gl.texParameteri(gl.TEXTURE_3D, side, gl.CLAMP_TO_EDGE);
    for (const size of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_3D, size, filter);
  }

  /**
   * Draws the object as a camera sees it. The camera: its axes (right, down, forward) and position in the world, and
   * focal lengths, principal point, skew and size in pixels. `shown` is a key of SHOWN, `background` a grey in [0, 1].
   */
  draw(camera, shown, background) {
    const { gl, canvas, volume, description } = this;
    const { corner, axes, cell } = description;
    // axes[i] is the grid's axis i in the world; the textures have a border of one cell.
    const toGrid = (vector) => axes.map((axis) => dot(axis, vector));
    const origin = toGrid(minus(camera.position, corner)).map((length) => length / cell + 1);
    const forward = toGrid(camera.axes[2]);
    const middle = volume.low.map((face, axis) => (face + volume.high[axis]) / 2);
    const radius = norm(minus(volume.high, volume.low)) / 2;
    const depth = dot(minus(middle, origin), forward);
    // Width of a pixel, in cells, where the object is. A pixel wider than a cell gets rays enough to miss nothing.
    const footprint = Math.max(depth, 1) / Math.min(camera.focal[0], camera.focal[1]);
    const raysPerSide = Math.min(Math.max(Math.ceil(footprint), 1), MOST_RAYS_PER_SIDE);

    if (canvas.width !== camera.size[0] || canvas.height !== camera.size[1])
      [canvas.width, canvas.height] = camera.size;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.uniform3fv(this.uniforms("origin"), origin);
    gl.uniformMatrix3fv(this.uniforms("rotation"), false, camera.axes.flatMap(toGrid));
    gl.uniform2fv(this.uniforms("focal"), camera.focal);
    gl.uniform2fv(this.uniforms("center"), camera.center);
    gl.uniform1f(this.uniforms("skew"), camera.skew);
    gl.uniform1f(this.uniforms("canvasHeight"), canvas.height);
    gl.uniform1i(this.uniforms("raysPerSide"), raysPerSide);
    gl.uniform1i(this.uniforms("shown"), SHOWN[shown]);
    const ink = background > 0.5 ? 0 : 1;
    gl.uniform3f(this.uniforms("background"), background, background, background);
    gl.uniform3f(this.uniforms("ink"), ink, ink, ink);
    gl.uniform2f(this.uniforms("depthRange"), Math.max(depth - radius, 0), depth + radius);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Waits until the picture is drawn. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
}
