#!/bin/sh
# Installs locked packages into /opt/venv, and links what that added below /opt/new. Runs inside an image build, see Dockerfile.
set -eu
rm -rf /opt/new
mkdir /opt/new
touch /opt/before

[ -d /opt/venv ] || uv venv --quiet --python "$(command -v python3)" /opt/venv
uv pip sync --require-hashes "$1"

packages="$(/opt/venv/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
# Headers are for building operators, and nothing imports another package's tests.
rm -rf "$packages/clang" "$packages/tensorflow/include" "$packages/pyarrow/include"
find "$packages" -type d -name tests -prune -exec rm -rf {} +
/opt/venv/bin/python3 -m compileall -q "$packages" >/dev/null || true # some files are for other versions of Python

printf '#!/opt/venv/bin/python3\nfrom mlops.cli.main import main\n\nmain()\n' >/opt/venv/bin/mlops
chmod 755 /opt/venv/bin/mlops

cd /
find opt/venv ! -type d -cnewer /opt/before -print0 | xargs -0 cp -al --parents --target-directory /opt/new
