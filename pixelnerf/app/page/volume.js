// The baked volume: from the bytes of this page to the arrays of its textures.

const BLOCK = 4;

async function inflate(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * The codes are one plane of densities for all cells, x fastest, then for each colour coefficient a plane of the
 * occupied cells. The textures get a border of one empty cell, which makes their interpolation fade to nothing.
 */
function unpackVolume(codes, description) {
  const [width, height, depth] = description.cells;
  const size = [width + 2, height + 2, depth + 2];
  const blocks = size.map((cells) => Math.ceil(cells / BLOCK));
  const textures = Array.from({ length: 4 }, () => new Float32Array(4 * size[0] * size[1] * size[2]));
  const occupied = new Uint8Array(blocks[0] * blocks[1] * blocks[2]);
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];

  const opticalDepths = Float32Array.from({ length: 256 }, (_, code) =>
    Math.expm1((code / 255) * Math.log1p(description.density.sharpness * description.density.largest)) /
      description.density.sharpness);
  const cells = width * height * depth;
  const occupiedCells = description.occupied;

  let cell = 0;
  let rank = 0;
  for (let z = 1; z <= depth; z++) {
    for (let y = 1; y <= height; y++) {
      for (let x = 1; x <= width; x++, cell++) {
        if (codes[cell] === 0) continue;
        const texel = 4 * (x + size[0] * (y + size[1] * z));
        const root = Math.sqrt(opticalDepths[codes[cell]]);
        textures[0][texel + 3] = root;
        description.ranges.forEach(([least, most], coefficient) => {
          const code = codes[cells + coefficient * occupiedCells + rank];
          const value = least + (code / 255) * (most - least);
          textures[Math.floor(coefficient / 3)][texel + (coefficient % 3)] = value * root;
        });
        rank++;
        [x, y, z].forEach((index, axis) => {
          low[axis] = Math.min(low[axis], index);
          high[axis] = Math.max(high[axis], index + 1);
        });
        // Interpolation reaches half a cell past a cell's faces.
        for (let k = Math.floor((z - 0.5) / BLOCK); k <= Math.floor((z + 1.5) / BLOCK); k++)
          for (let j = Math.floor((y - 0.5) / BLOCK); j <= Math.floor((y + 1.5) / BLOCK); j++)
            for (let i = Math.floor((x - 0.5) / BLOCK); i <= Math.floor((x + 1.5) / BLOCK); i++)
              if (i < blocks[0] && j < blocks[1] && k < blocks[2])
                occupied[i + blocks[0] * (j + blocks[1] * k)] = 255;
      }
    }
  }
  return {
    size, blocks, textures, occupied,
    low: low.map((face) => face - 0.5),
    high: high.map((face) => face + 0.5),
  };
}
