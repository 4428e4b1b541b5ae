// Validates GLB files with Khronos' gltf-validator: prints one JSON line a file, ends with 1 if one has an error or
// a warning.
//   npm install --prefix /tmp/gltf gltf-validator && NODE_PATH=/tmp/gltf/node_modules node tests/bench/validate_glb.mjs *.glb
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// require, unlike import, looks where NODE_PATH says
const { validateBytes } = createRequire(import.meta.url)("gltf-validator");
let wrong = 0;
for (const file of process.argv.slice(2)) {
  const { issues, info } = await validateBytes(new Uint8Array(readFileSync(file)));
  wrong += issues.numErrors + issues.numWarnings;
  const { numErrors: errors, numWarnings: warnings, numInfos: infos, messages } = issues;
  console.log(JSON.stringify({ file, errors, warnings, infos, triangles: info?.totalTriangleCount, messages }));
}
process.exit(wrong ? 1 : 0);
