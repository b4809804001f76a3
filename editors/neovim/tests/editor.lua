--- A Neovim under test: a separate process, controlled through its API.

local M = {}

local plugin =
  vim.fs.dirname(vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p'))))
local WAIT_MS = 300000

---@class Editor
---@field channel integer
---@field folder string its home, removed at the end
local Editor = {}
Editor.__index = Editor

local open = {} ---@type Editor[]

M.plugin = plugin
M.repository = vim.fs.dirname(vim.fs.dirname(plugin))
M.server = { vim.env.CG2LS_PYTHON or vim.fs.joinpath(M.repository, '.venv/bin/python'), '-m', 'cg2ls', '--stdio' }

--- The shipped model's folder and name.
M.model_folder = vim.fs.joinpath(M.repository, 'cg2ls', 'default')
M.model = vim.json.decode(table.concat(vim.fn.readfile(M.model_folder .. '/model.json'), '\n')).name

--- A place where the shipped model is sure, alone and with the workspace's memory: after `M.code`, a line with
--- `M.typed` continues with `M.rest`, from `i, l` to the end at each key.
M.code = 'def show(lines):\n    """Prints lines with their numbers."""\n'
M.typed = 'for i, l'
M.rest = 'ine in enumerate(lines):'

--- Starts a Neovim with the plugin on its path and without the user's configuration.
---@param options? { setup?: table|false, env?: table<string, string>, before?: string }
---   setup: settings, `cmd` being this repository's server by default; false not to call `setup`.
---   before: Lua that runs first.
---@return Editor
function M.open(options)
  options = options or {}
  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder, 'p')
  local env = vim.tbl_extend('force', {
    HOME = folder,
    XDG_CONFIG_HOME = folder .. '/config',
    XDG_DATA_HOME = folder .. '/data',
    XDG_STATE_HOME = folder .. '/state',
    XDG_CACHE_HOME = folder .. '/cache',
    CG2LS_HOME = folder .. '/cg2ls',
    NVIM_APPNAME = 'nvim',
    PYTHONPATH = M.repository,
  }, options.env or {})
  local self = setmetatable({ folder = folder }, Editor)
  self.channel = vim.fn.jobstart(
    { vim.env.NVIM_UNDER_TEST or vim.v.progpath, '--clean', '--embed', '--headless', '-n' },
    {
      rpc = true,
      env = env,
      cwd = folder,
    }
  )
  assert(self.channel > 0, 'Neovim did not start')
  table.insert(open, self)
  self:lua(
    [[
    local plugin, before = ...
    vim.g.loaded_python3_provider = 0 -- the search for it takes seconds
    vim.opt.runtimepath:prepend(plugin)
    vim.cmd.runtime('plugin/cg2ls.lua')
    said = {}
    vim.notify = function(message, level) table.insert(said, { message, level }) end
    assert(loadstring(before))()
  ]],
    plugin,
    options.before or ''
  )
  if options.setup ~= false then
    self:setup(options.setup)
  end
  return self
end

--- Starts a Neovim with a scripted server, see `Editor:answer`.
---@param items { insertText: string, covers?: integer }[]
---@param settings? table
---@param options? table as for `open`
function M.open_fake(items, settings, options)
  local answers = vim.fn.tempname()
  local cmd = { M.server[1], vim.fs.joinpath(plugin, 'tests', 'fake_server.py'), answers }
  options = vim.tbl_extend('force', options or {}, { setup = vim.tbl_extend('force', { cmd = cmd }, settings or {}) })
  Editor.answer({ answers = answers }, items)
  local self = M.open(options)
  self.answers = answers
  return self
end

function M.close_all()
  for _, editor in ipairs(open) do
    editor:close()
  end
  open = {}
end

function Editor:close()
  if self.closed then
    return
  end
  self.closed = true
  pcall(vim.rpcnotify, self.channel, 'nvim_command', 'qall!')
  if vim.fn.jobwait({ self.channel }, 5000)[1] == -1 then
    vim.fn.jobstop(self.channel)
  end
  vim.fn.delete(self.folder, 'rf')
end

--- Runs Lua in the editor.
function Editor:lua(code, ...)
  return vim.rpcrequest(self.channel, 'nvim_exec_lua', code, { ... })
end

function Editor:setup(settings)
  local all = vim.tbl_extend('keep', settings or {}, { cmd = M.server })
  self:lua([[require('cg2ls').setup(...)]], all)
end

--- Opens a file with this text, and waits until the server can answer.
---@param text string
---@param name? string
---@param options? { wait?: boolean, binary?: boolean }
function Editor:edit(text, name, options)
  options = options or {}
  local path = self.folder .. '/' .. (name or 'work.py')
  local file = assert(io.open(path, 'wb'))
  file:write(text)
  file:close()
  self:lua([[vim.cmd.edit(...); vim.cmd.setfiletype('python')]], path)
  if options.wait ~= false then
    self:wait_until_ready()
  end
  return path
end

function Editor:wait_until_ready()
  self:wait(function()
    return self:status().state == 'ready'
  end, 'the server is ready')
end

function Editor:status()
  return self:lua([[return require('cg2ls').status()]])
end

--- Waits until a condition holds.
function Editor:wait(condition, what, most_ms)
  local value
  local held = vim.wait(most_ms or WAIT_MS, function()
    value = condition()
    return value
  end, 10)
  if not held then
    error(
      ('not in time: %s\nghost: %s\nbuffer: %s\nstatus: %s\nsaid: %s'):format(
        what,
        vim.inspect(self:ghost()),
        vim.inspect(self:lines()),
        vim.inspect(self:status()),
        vim.inspect(self:said())
      ),
      2
    )
  end
  return value
end

--- Presses keys, as in a mapping: `<Esc>`, `<C-l>`; waits until they are processed.
function Editor:press(keys)
  vim.rpcrequest(self.channel, 'nvim_input', keys)
  vim.rpcrequest(self.channel, 'nvim_eval', '1')
end

--- Types text one key at a time.
function Editor:type(text)
  for _, character in ipairs(vim.fn.split(text, '\\zs')) do
    self:press(character == '<' and '<lt>' or character == '\n' and '<CR>' or character)
  end
end

function Editor:lines()
  return self:lua([[return vim.api.nvim_buf_get_lines(0, 0, -1, false)]])
end

function Editor:line()
  return self:lua([[return vim.api.nvim_get_current_line()]])
end

--- `{ 1-based line, 0-based byte }`
function Editor:cursor()
  return self:lua([[return vim.api.nvim_win_get_cursor(0)]])
end

--- The ghost text of the extmarks, lines joined with \n; nil for none.
function Editor:ghost()
  local text = self:lua([[
    local text = ''
    for _, name in ipairs({ 'cg2ls.ghost', 'nvim.lsp.inline_completion' }) do
      local space = vim.api.nvim_create_namespace(name)
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })) do
        for _, chunk in ipairs(mark[4].virt_text or {}) do
          text = text .. chunk[1]
        end
        for _, line in ipairs(mark[4].virt_lines or {}) do
          text = text .. '\n'
          for _, chunk in ipairs(line) do
            text = text .. chunk[1]
          end
        end
      end
    end
    return text
  ]])
  return text ~= '' and text or nil
end

--- Lets the server of `open_fake` answer with these items from now on; nil for null.
---@param items { insertText: string, covers?: integer }[]?
---@param delay_ms? integer
function Editor:answer(items, delay_ms)
  vim.fn.writefile({ vim.json.encode({ items = items or vim.NIL, delay_ms = delay_ms or 0 }) }, self.answers)
end

--- The messages of one method that the server of `open_fake` got.
function Editor:received(method)
  local found = {}
  for _, line in ipairs(vim.fn.readfile(self.answers .. '.log')) do
    local message = vim.json.decode(line)
    if message.method == method then
      table.insert(found, message.params or true)
    end
  end
  return found
end

--- Waits for ghost text.
function Editor:wait_for_ghost(what)
  return self:wait(function()
    return self:ghost()
  end, what or 'ghost text')
end

--- Types code that the shipped model completes, and waits for the completion.
function Editor:type_what_is_known()
  self:press('Go')
  self:type(M.typed)
  self:wait(function()
    return self:ghost() == M.rest
  end, 'the ghost text ' .. M.rest)
end

--- Waits until there is no ghost text.
function Editor:wait_for_no_ghost()
  self:wait(function()
    return not self:ghost()
  end, 'no ghost text')
end

--- The messages to the user: `{ message, level }` each.
function Editor:said()
  return self:lua([[return said]])
end

--- Waits for a message that contains this text, and returns it.
function Editor:wait_for_message(text)
  return self:wait(function()
    for _, message in ipairs(self:said()) do
      if message[1]:find(text, 1, true) then
        return message[1]
      end
    end
  end, 'a message with ' .. text)
end

return M
