--- The server: its buffers, its start, and its restart after a crash.

local command_line = require('cg2ls.command_line')
local compat = require('cg2ls.compat')
local config = require('cg2ls.config')
local ghost = require('cg2ls.ghost')
local runs = require('cg2ls.run')
local say = require('cg2ls.say')
local status = require('cg2ls.status')

local M = {}

local NAME = 'cg2ls'
local MOST_CRASHES = 3
local CRASHES_WITHIN_S = 300
local FIRST_PAUSE_MS = 250

local crashes = {} ---@type integer[] seconds at which the server crashed
local wanted = {} ---@type table<integer, true> buffers to complete in
local run ---@type cg2ls.Run?

--- The client of the running server, initialized or not.
---@return vim.lsp.Client?
function M.client()
  local client = run and run.client_id and vim.lsp.get_client_by_id(run.client_id)
  return client and not client.is_stopped(client) and client or nil
end

local function fail(problem)
  status.set('failed', problem)
  say.once(problem)
end

--- The server's options, in the layout that it requests.
local function settings()
  local options = vim.deepcopy(config.current.settings)
  options.model = config.current.model or options.model
  if vim.tbl_isempty(options) then
    options = vim.empty_dict()
  end
  return { cg2ls = options }
end

--- Declares this client's capabilities; without inline completion the server offers the completion menu.
local function before_init(params)
  local all = params.capabilities
  local ghost_text = config.current.show == 'ghost'
  all.textDocument.inlineCompletion = ghost_text and { dynamicRegistration = false } or nil
  all.experimental = vim.tbl_extend('force', all.experimental or {}, { cg2ls = { status = true } })
end

--- States in which requests are answered.
local ANSWERS = { ready = true, busy = true, idle = true }

local handlers = {
  ['cg2ls/status'] = function(_, params, context)
    if not run or context.client_id ~= run.client_id then
      return -- one that is being ended
    end
    local could, before = ANSWERS[status.now.state], status.now.model
    status.set(params.state, params.message, params.model)
    if params.state == 'ready' and not (could and before == params.model) then
      ghost.ask_again() -- what was asked before had no answer, or another model's
    end
  end,
  ['window/logMessage'] = function(_, params)
    require('cg2ls.log').keep(params)
  end,
  ['window/showMessage'] = function(_, params)
    require('cg2ls.log').keep(params)
    local level = ({ 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG' })[params.type] or 'INFO'
    say.once((params.message:gsub('^cg2ls: ', '')), vim.log.levels[level])
  end,
}

local function on_attach(client, buf)
  if wanted[buf] and config.current.show == 'ghost' and client.server_capabilities.inlineCompletionProvider then
    ghost.attach(buf, client.id)
  end
end

local function attach_all()
  for buf in pairs(wanted) do
    M.start(buf)
  end
end

local function crashed()
  local now = os.time()
  table.insert(crashes, now)
  local recent = 0
  for _, at in ipairs(crashes) do
    recent = recent + (now - at <= CRASHES_WITHIN_S and 1 or 0)
  end
  if recent > MOST_CRASHES then
    fail('the server keeps ending; `:Cg2ls log` shows why, and `:Cg2ls restart` tries again.')
    return
  end
  status.set('starting')
  vim.defer_fn(attach_all, FIRST_PAUSE_MS * 2 ^ (recent - 1))
end

---@param problem string?
local function on_end(ended, problem)
  if ended ~= run then
    return
  end
  run = nil
  status.reset()
  for buf in pairs(wanted) do
    ghost.detach(buf)
  end
  if problem then
    fail(problem)
  else
    crashed()
  end
end

--- The folder of the workspace that a buffer belongs to.
local function root_of(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  local root = vim.fs.root(buf, config.current.root_markers)
  return root or (name ~= '' and vim.fs.dirname(name)) or nil
end

--- Adds the workspace of a buffer to a running server.
local function add_workspace(client, buf)
  local root = root_of(buf)
  local folder = root and { uri = vim.uri_from_fname(root), name = vim.fs.basename(root) }
  for _, known in ipairs(client.workspace_folders or {}) do
    if not folder or known.uri == folder.uri then
      return
    end
  end
  if folder then
    client.workspace_folders = vim.list_extend(client.workspace_folders or {}, { folder })
    compat.notify(client, 'workspace/didChangeWorkspaceFolders', { event = { added = { folder }, removed = {} } })
  end
end

--- Starts the process, with a buffer.
local function launch(buf)
  local command, why = command_line.find()
  if not command then
    fail(why)
    return
  end
  status.set('starting')
  local new, cmd = runs.new(command, on_end)
  local started, id = pcall(vim.lsp.start, {
    name = NAME,
    cmd = cmd,
    root_dir = root_of(buf),
    before_init = before_init,
    settings = settings(),
    handlers = handlers,
    on_attach = on_attach,
    on_init = function()
      new.initialized = true
      status.set('loading')
    end,
  }, {
    bufnr = buf,
    silent = true, -- a process that does not start is told of below
    reuse_client = function()
      return false
    end,
  })
  if not started or not id then
    local problem = '`%s` could not be started; `:checkhealth cg2ls` looks for the cause.'
    fail(problem:format(table.concat(command, ' ')))
    return
  end
  new.client_id = id
  run = new
  runs.watch_handshake(new)
end

--- Starts the server unless it runs, and completes in a buffer.
---@param buf integer
function M.start(buf)
  if not vim.api.nvim_buf_is_loaded(buf) then
    wanted[buf] = nil
    return
  end
  wanted[buf] = true
  local client = M.client()
  if not client then
    launch(buf)
  elseif not vim.lsp.buf_is_attached(buf, client.id) then
    if client.initialized then
      add_workspace(client, buf)
    end
    vim.lsp.buf_attach_client(buf, client.id)
  end
end

--- Stops completing in a buffer.
---@param buf integer
function M.leave(buf)
  wanted[buf] = nil
  ghost.detach(buf)
  local client = M.client()
  if client and vim.lsp.buf_is_attached(buf, client.id) then
    vim.lsp.buf_detach_client(buf, client.id)
  end
end

--- Ends the server; the list of buffers is kept.
function M.stop()
  for buf in pairs(wanted) do
    ghost.detach(buf)
  end
  if run then
    runs.stop(run)
    run = nil
  end
  status.reset()
  status.set('stopped')
end

--- Ends the server and starts it again.
function M.restart()
  say.forget()
  crashes = {}
  M.stop()
  attach_all()
end

--- Sends changed options to a running server.
function M.push_settings()
  local client = M.client()
  if client then
    client.settings = settings()
    compat.notify(client, 'workspace/didChangeConfiguration', { settings = client.settings })
  end
end

--- Starts ghost text again in every buffer, after one of its settings has changed.
function M.show_again()
  local client = M.client()
  for buf in pairs(wanted) do
    ghost.detach(buf)
    if client and vim.lsp.buf_is_attached(buf, client.id) then
      on_attach(client, buf)
    end
  end
end

--- Notifies the server of the place of the user: its status is about that document, and it reads ahead there.
---@param buf integer the buffer of the current window
function M.look_at(buf)
  local client = wanted[buf] and M.client()
  if client and buf == vim.api.nvim_get_current_buf() then
    local row, column = unpack(vim.api.nvim_win_get_cursor(0))
    local line = vim.api.nvim_buf_get_lines(buf, row - 1, row, false)[1] or ''
    compat.notify(client, 'textDocument/didFocus', {
      textDocument = { uri = vim.uri_from_bufnr(buf) },
      position = { line = row - 1, character = compat.character_of(line, column, client.offset_encoding) },
    })
  end
end

return M
