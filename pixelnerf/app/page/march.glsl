// One pixel: rays through the baked volume, composited front to back. Lengths are in cells; the grid has a border of
// one empty cell, so that its texture fades to nothing outside as the volume's definition says.
precision highp float;
precision highp sampler3D;

uniform sampler3D matter;     // colour times the root of a cell's optical depth, and that root, which is interpolated
uniform sampler3D slopes[3];  // change of that colour with each component of the ray's direction
uniform sampler3D occupied;   // blocks in whose reach there is matter

uniform vec3 origin;          // the camera
uniform mat3 rotation;        // camera frame to grid
uniform vec2 focal, center;   // in pixels of the canvas
uniform float skew, canvasHeight;
uniform vec3 low, high;       // box of all matter
uniform int raysPerSide;      // n x n rays fill a pixel's cone when it is wider than a cell

uniform int shown;            // COLOR, DEPTH or OPACITY
uniform vec3 background, ink; // ink: what opacity is drawn with
uniform vec2 depthRange;
uniform vec3 depthColors[STOPS];

out vec4 pixel;

const float STEP = 0.5;
const float OPAQUE = 0.002;

// Colour times the optical depth's root, and that root, at a point seen along a direction.
vec4 sampleMatter(vec3 point, vec3 direction) {
  vec3 place = point / vec3(textureSize(matter, 0));
  vec4 here = texture(matter, place);
  if (here.a > 1e-3)
    here.rgb += direction.x * texture(slopes[0], place).rgb + direction.y * texture(slopes[1], place).rgb
              + direction.z * texture(slopes[2], place).rgb;
  here.rgb = clamp(here.rgb, vec3(0.0), vec3(here.a));
  return here;
}

// Steps of the lattice from a point to the end of its block.
int stepsThroughBlock(vec3 point, vec3 direction, ivec3 block) {
  vec3 end = (vec3(block) + step(0.0, direction)) * float(BLOCK);
  vec3 lengths = (end - point) / direction;
  return max(1, int(ceil(min(lengths.x, min(lengths.y, lengths.z)) / STEP)));
}

// Premultiplied colour and opacity of a ray; its mean depth, weighted by opacity, comes by `depth`.
vec4 march(vec3 direction, float depthPerLength, out float depth) {
  depth = 0.0;
  vec3 toLow = (low - origin) / direction, toHigh = (high - origin) / direction;
  vec3 enters = min(toLow, toHigh), leaves = max(toLow, toHigh);
  float start = max(0.0, max(enters.x, max(enters.y, enters.z)));
  float end = min(leaves.x, min(leaves.y, leaves.z));
  if (start >= end) return vec4(0.0);

  ivec3 lastBlock = textureSize(occupied, 0) - 1;
  int steps = int(ceil((end - start) / STEP));
  vec4 before = vec4(0.0);
  vec3 light = vec3(0.0);
  float transmittance = 1.0;
  // A loop that skips: i grows by more than one in empty blocks.
  for (int i = 0; i <= steps; i++) {
    float along = start + float(i) * STEP;
    vec3 point = origin + along * direction;
    ivec3 block = clamp(ivec3(point) / BLOCK, ivec3(0), lastBlock);
    bool empty = texelFetch(occupied, block, 0).r == 0.0;
    vec4 here = empty ? vec4(0.0) : sampleMatter(point, direction);
    // The root is taken as linear between two points of the lattice.
    vec4 both = before + here;
    if (both.a > 0.0) {
      float alpha = 1.0 - exp(STEP / 3.0 * (before.a * here.a - both.a * both.a));
      light += transmittance * alpha * both.rgb / both.a;
      depth += transmittance * alpha * (along - 0.5 * STEP) * depthPerLength;
      transmittance *= 1.0 - alpha;
      if (transmittance < OPAQUE) break;
    }
    before = here;
    if (empty) i += stepsThroughBlock(point, direction, block) - 1;
  }
  float opacity = 1.0 - transmittance;
  depth /= max(opacity, 1e-6);
  // What little passes behind an opaque surface was not followed: the surface counts as fully opaque.
  return transmittance < OPAQUE ? vec4(light / opacity, 1.0) : vec4(light, opacity);
}

vec3 depthColor(float depth) {
  float near = clamp((depthRange.y - depth) / (depthRange.y - depthRange.x), 0.0, 1.0) * float(STOPS - 1);
  int stop = min(int(near), STOPS - 2);
  return mix(depthColors[stop], depthColors[stop + 1], near - float(stop));
}

void main() {
  vec2 corner = vec2(gl_FragCoord.x, canvasHeight - gl_FragCoord.y) - 0.5;
  vec3 sum = vec3(0.0);
  for (int row = 0; row < raysPerSide; row++) {
    for (int column = 0; column < raysPerSide; column++) {
      vec2 place = corner + (vec2(column, row) + 0.5) / float(raysPerSide);
      float y = (place.y - center.y) / focal.y;
      float x = (place.x - center.x - skew * y) / focal.x;
      float depthPerLength = inversesqrt(x * x + y * y + 1.0);
      vec3 direction = rotation * vec3(x, y, 1.0) * depthPerLength;
      // A direction parallel to a face of the box never crosses it.
      direction = mix(direction, vec3(1e-7), lessThan(abs(direction), vec3(1e-7)));
      float depth;
      vec4 ray = march(direction, depthPerLength, depth);
      vec3 color = shown == DEPTH ? ray.a * depthColor(depth) : shown == OPACITY ? ray.a * ink : ray.rgb;
      sum += color + (1.0 - ray.a) * background;
    }
  }
  pixel = vec4(sum / float(raysPerSide * raysPerSide), 1.0);
}
