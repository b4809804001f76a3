--- Each problem is reported once, in one sentence that names the remedy.

local editor = require('editor')

--- A program made of a shell script.
local function script(body)
  local path = vim.fn.tempname()
  vim.fn.writefile(vim.split('#!/bin/sh\n' .. body, '\n'), path)
  vim.fn.setfperm(path, 'rwxr-xr-x')
  return path
end

--- The one message of an editor with these settings that opens a Python file, twice.
local function message_with(settings, part, options)
  local nvim = editor.open(vim.tbl_extend('force', { setup = settings }, options or {}))
  nvim:edit('x = 1\n', 'one.py', { wait = false })
  local message = nvim:wait_for_message(part)
  nvim:edit('y = 1\n', 'two.py', { wait = false })
  vim.wait(600)
  equal(#nvim:said(), 1, 'said ' .. vim.inspect(nvim:said()))
  equal(nvim:status().state, 'failed')
  equal(nvim:lua([[return require('cg2ls').statusline()]]), 'cg2ls !')
  return message, nvim
end

it('no server: the message explains how to install one', function()
  local empty = vim.fn.tempname()
  vim.fn.mkdir(empty)
  local nvim = editor.open({ setup = false, env = { PATH = empty } })
  nvim:lua([[require('cg2ls').setup()]])
  nvim:edit('', 'one.py', { wait = false })
  assert(nvim:wait_for_message('not installed'):find('`:Cg2ls install`', 1, true))
  nvim:edit('', 'two.py', { wait = false })
  vim.wait(200)
  equal(#nvim:said(), 1)
end)

it('a command that is no program', function()
  local message = message_with({ cmd = { 'no-such-program' } }, 'no-such-program')
  assert(message:find('correct it or remove the setting', 1, true), message)
end)

it('a program whose interpreter is missing, as after Python was uninstalled', function()
  local path = script('')
  vim.fn.writefile({ '#!/no/such/python' }, path)
  local message = message_with({ cmd = { path } }, 'could not be started')
  assert(message:find(':checkhealth cg2ls', 1, true), message)
end)

it('a server that ends at once: its last output', function()
  local message = message_with({ cmd = { script('echo the disk is full >&2; exit 3') } }, 'ended at once')
  assert(message:find('status 3', 1, true), message)
  assert(message:find('the disk is full', 1, true), message)
  assert(message:find(':checkhealth cg2ls', 1, true), message)
end)

it('a program that is not a language server', function()
  local message =
    message_with({ cmd = { script([[printf 'Content-Length: 5\r\n\r\nhello'; sleep 60]]) } }, 'does not speak')
  assert(message:find('is it the cg2ls server?', 1, true), message)
end)

it('a program that refuses the handshake', function()
  local answer = '{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"not today"}}'
  local message = message_with({
    cmd = { script(([[printf 'Content-Length: %d\r\n\r\n%%s' '%s'; sleep 60]]):format(#answer, answer)) },
  }, 'does not speak')
  assert(message:find('not today', 1, true), message)
end)

it('invalid settings: each is named, and its default is used', function()
  local nvim = editor.open_fake({}, { show = 'boxes', tab = true, keymaps = { acept = '<C-l>' }, debounce_ms = -1 })
  nvim:edit('')
  local said = {}
  for _, message in ipairs(nvim:said()) do
    table.insert(said, message[1])
  end
  table.sort(said)
  equal(#said, 4)
  assert(said[1]:find('the setting `debounce_ms` must be a number', 1, true), said[1])
  assert(said[2]:find('the setting `keymaps` must be a table of accept, accept_line', 1, true), said[2])
  assert(said[3]:find("the setting `show` must be one of 'ghost', 'menu'", 1, true), said[3])
  assert(said[4]:find('there is no setting `tab`', 1, true), said[4])
  equal(nvim:lua([[return require('cg2ls.config').current.show]]), 'ghost')
end)

it('an option that the server does not know is named by the server', function()
  local nvim = editor.open({ setup = { settings = { maxLines = 'many' } } })
  nvim:edit('')
  assert(nvim:wait_for_message('maxLines'))
  vim.wait(300)
  equal(#nvim:said(), 1, vim.inspect(nvim:said()))
end)

it('a subcommand that does not exist', function()
  local nvim = editor.open_fake({})
  nvim:press(':Cg2ls fly<CR>')
  assert(nvim:wait_for_message('there is no `:Cg2ls fly`'):find('toggle', 1, true))
  equal(nvim:lua([[return vim.fn.getcompletion('Cg2ls re', 'cmdline')]]), { 'restart' })
end)

local function install(settings, argument, env)
  local nvim = editor.open({ setup = settings or false, env = env })
  nvim:lua([[require('cg2ls.install').run(...)]], argument)
  return nvim
end

it('installing without Python', function()
  local empty = vim.fn.tempname()
  vim.fn.mkdir(empty)
  local nvim = install(nil, nil, { PATH = empty })
  assert(nvim:wait_for_message('there is no Python'):find('3.11 to 3.14', 1, true))
end)

it('installing with a Python that is too old', function()
  local old = script('echo 3.9.2')
  local nvim = install({ python = old })
  local message = nvim:wait_for_message('is Python 3.9.2')
  assert(message:find('3.11 to 3.14', 1, true) and message:find('setting `python`', 1, true), message)
end)

it('installing a file that does not exist, or is not a wheel', function()
  local nvim = install(nil, '/no/such.whl')
  assert(nvim:wait_for_message('there is no /no/such.whl'))
  nvim:lua([[require('cg2ls.install').run(...)]], script(''))
  assert(nvim:wait_for_message('is not a wheel'))
end)

it('installing puts the given file into a separate environment, and starts the server', function()
  local python = script([[
case "$2" in
*platform*) echo 3.12.1 ;;
venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
pip) echo "$@" > "$(dirname "$0")/../pip-arguments" ;;
esac]])
  local wheel = vim.fn.tempname() .. '.whl'
  vim.fn.writefile({}, wheel)
  local nvim = install({ python = python }, wheel)
  nvim:wait_for_message('installed.')
  local arguments = vim.fn.readfile(nvim.folder .. '/data/nvim/cg2ls/venv/pip-arguments')[1]
  assert(vim.endswith(arguments, 'cg2ls[cpu] @ ' .. vim.uri_from_fname(wheel)), arguments)
end)

it('an installation that fails shows the message of pip', function()
  local python = script([[
case "$2" in
*platform*) echo 3.12.1 ;;
venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
pip) echo "ERROR: no space left" >&2; exit 1 ;;
esac]])
  local nvim = install({ python = python })
  assert(nvim:wait_for_message('no space left'):find('failed', 1, true))
end)
