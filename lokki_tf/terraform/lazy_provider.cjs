// The index of the AWS provider's bindings loads 2,100 modules, 1.3 s of every synth, of which a
// pipeline uses twenty. Read through this hook, each is loaded on first use. The form of an
// export differs between @cdktf/provider-aws and @cdktn/provider-aws.
'use strict';
const Module = require('module');
const fs = require('fs');

const load = Module._extensions['.js'];
const INDEX = /[\\/]provider-aws[\\/].*lib[\\/]index\.js$/;
const EXPORT = /^exports\.(\w+) = (?:__importStar\()?require\("(\.\/[^"]+)"\)\)?;$/gm;
const DECLARED = /^(?:exports\.\w+ = )+void 0;$/gm;

Module._extensions['.js'] = (module, filename) => {
  if (!INDEX.test(filename)) return load(module, filename);
  const source = fs.readFileSync(filename, 'utf8')
    .replace(DECLARED, '')
    .replace(EXPORT, (_, name, path) =>
      `Object.defineProperty(exports, "${name}", ` +
      `{ enumerable: true, configurable: true, get: () => require("${path}") });`);
  return module._compile(source, filename);
};
