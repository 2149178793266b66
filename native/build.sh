#!/bin/sh
# Builds the addon with the Node that is first in PATH: native/build/Release/pinion.node.
# The headers are those of the same Node, so nothing is downloaded. A second run takes no time.
set -eu
cd "$(dirname "$0")"
node=$(node -p 'process.execPath')
npm_config_nodedir=$(dirname "$(dirname "$node")")
export npm_config_nodedir
gyp=../node_modules/node-gyp/bin/node-gyp.js
if [ ! -f build/Makefile ] || [ binding.gyp -nt build/Makefile ]; then
  "$node" "$gyp" configure --loglevel=warn
fi
exec "$node" "$gyp" build --loglevel=warn
