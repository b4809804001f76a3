#!/usr/bin/env bash
# Installs a real VS Code (code-server: its workbench and extension host, shown in a browser) into a folder.
# usage: install-vscode.sh FOLDER
# Needs Node 20, npm and the Debian packages below; those are installed only if CG2LS_INSTALL_SYSTEM=1.
# npm's install scripts stay off, because one downloads ripgrep from an address that some machines cannot reach: Debian's
# ripgrep takes its place, and what must be compiled is compiled here, with Node's own headers where they lie beside it.
set -euo pipefail

folder=$1
version=4.99.4
system=(chromium ripgrep make g++ python3)
native=(node-pty/build/Release/pty.node @vscode/spdlog/build/Release/spdlog.node native-watchdog/build/Release/watchdog.node)

fail() {
  echo "install-vscode: $*" >&2
  exit 1
}

# A package counts as installed if its command exists.
missing() {
  local package
  for package in "${system[@]}"; do
    case $package in
      ripgrep) command -v rg ;;
      chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
      *) command -v "$package" ;;
    esac >/dev/null || printf '%s\n' "$package"
  done
}

quiet_npm() { npm --no-fund --no-audit --loglevel=error "$@"; }

install_system() {
  local wanted
  mapfile -t wanted < <(missing)
  [ ${#wanted[@]} -gt 0 ] || return 0
  if [ "${CG2LS_INSTALL_SYSTEM:-0}" != 1 ]; then
    fail "these are missing; run the lines below, or set CG2LS_INSTALL_SYSTEM=1
  sudo apt-get update
  sudo apt-get install --no-install-recommends ${wanted[*]}"
  fi
  # apt checks every download against the distribution's keyring
  { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::Retries=3 --no-install-recommends "${wanted[@]}" >/dev/null
  } || fail "Debian's archive did not give ${wanted[*]}, see above"
}

command -v node >/dev/null && command -v npm >/dev/null || fail "Node 20 and npm are missing: install them"
[ "$(node -p 'process.versions.node.split(".")[0]')" = 20 ] || fail "code-server $version needs Node 20, not $(node --version)"
install_system
if [ -f "$folder/ready" ]; then
  exit 0
fi

headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
if [ -f "$headers/include/node/node.h" ]; then
  export npm_config_nodedir=$headers # else node-gyp downloads them from nodejs.org
fi

echo "install-vscode: code-server $version into $folder"
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
echo '{"private": true}' >package.json
quiet_npm install --ignore-scripts "code-server@$version" >/dev/null || fail "npm could not get code-server $version, see above"
cd node_modules/code-server/lib/vscode
quiet_npm install --omit=dev --ignore-scripts >/dev/null || fail "npm could not get what code-server $version needs, see above"
mkdir -p node_modules/@vscode/ripgrep/bin
cp "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
for file in "${native[@]}"; do
  # a module's own clean-up step may fail after it was built: the file it built is what counts
  quiet_npm rebuild "${file%%/build/*}" >"$folder/native.log" 2>&1 || true
  [ -f "node_modules/$file" ] || { tail -20 "$folder/native.log" >&2; fail "$file was not built, see above; where nodejs.org cannot be reached, install Node's headers"; }
done
ln -sfn node_modules node_modules.asar
(cd extensions && quiet_npm install --omit=dev --ignore-scripts >/dev/null) ||
  fail "npm could not get what code-server's own extensions need, see above"
cd "$folder/node_modules/argon2"
npx --no-install node-pre-gyp rebuild --build-from-source ${npm_config_nodedir:+"--nodedir=$npm_config_nodedir"} \
  >"$folder/native.log" 2>&1 || { tail -20 "$folder/native.log" >&2; fail "argon2 was not built"; }
node "$folder/node_modules/code-server/out/node/entry.js" --version
{ dpkg-query -W "${system[@]}" 2>/dev/null || true; } >"$folder/versions.txt"
touch "$folder/ready"
