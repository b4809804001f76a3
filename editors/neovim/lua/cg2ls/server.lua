--- The server process: starting it, starting it again after a crash, and saying why it cannot run.

local command_line = require('cg2ls.command_line')
local compat = require('cg2ls.compat')
local config = require('cg2ls.config')
local ghost = require('cg2ls.ghost')
local say = require('cg2ls.say')
local status = require('cg2ls.status')

local M = {}

local NAME = 'cg2ls'
local MOST_CRASHES = 3
local CRASHES_WITHIN_S = 300
local HANDSHAKE_MS = 20000
local EXPLAIN_MS = 10000

local crashes = {} ---@type integer[] seconds at which the server crashed
local wanted = {} ---@type table<integer, true> buffers to complete in
local asked_to_stop = {} ---@type table<table, true> runs that were ended on purpose

---@class cg2ls.Run
---@field command string[]
---@field initialized boolean
---@field client_id integer?
---@field broken string? what it sent that is no protocol

--- The client of the running server.
---@return vim.lsp.Client?
function M.client()
  for _, client in ipairs(vim.lsp.get_clients({ name = NAME })) do
    if not client.is_stopped(client) then
      return client
    end
  end
end

local function fail(problem)
  status.set({ state = 'failed', problem = problem })
  say.once(problem)
end

--- Runs the server without an editor, to learn what it says before it ends.
---@param run cg2ls.Run
---@param code integer
local function explain(run, code)
  local function tell(last_line)
    local said = last_line and (' It said: %s'):format(last_line) or ''
    fail(
      ('`%s` ended at once with status %d.%s `:checkhealth cg2ls` looks for the cause.'):format(
        table.concat(run.command, ' '),
        code,
        said
      )
    )
  end
  local started = pcall(vim.system, run.command, { stdin = '', text = true, timeout = EXPLAIN_MS }, function(result)
    vim.schedule(function()
      local lines = vim.split(vim.trim(result.stderr or ''), '\n')
      tell(lines[#lines] ~= '' and lines[#lines] or nil)
    end)
  end)
  if not started then
    tell(nil)
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
    fail('the server keeps ending; `:Cg2ls log` shows why, `:Cg2ls restart` tries again.')
    return
  end
  status.set({ state = 'starting' })
  vim.defer_fn(attach_all, 250 * 2 ^ recent)
end

---@param run cg2ls.Run
local function ended(run, code, signal)
  for buf in pairs(wanted) do
    ghost.detach(buf)
  end
  status.reset()
  if asked_to_stop[run] then
    asked_to_stop[run] = nil
    return
  end
  if vim.v.exiting ~= vim.NIL then
    return
  end
  if run.broken then
    fail(
      ('`%s` does not speak the language server protocol (%s); is `cmd` the cg2ls server?'):format(
        table.concat(run.command, ' '),
        run.broken
      )
    )
  elseif not run.initialized then
    explain(run, code ~= 0 and code or signal)
  else
    crashed()
  end
end

--- Starts the process. Neovim would report errors and exits in words of its own; ours name the mend instead.
---@param run cg2ls.Run
local function connect(run)
  return function(dispatchers)
    local ours = vim.tbl_extend('force', dispatchers, {
      on_error = function(code, err)
        vim.schedule(function()
          if not run.broken then
            local name = vim.lsp.rpc.client_errors[code]
            run.broken = type(name) == 'string' and name:lower():gsub('_', ' ') or vim.inspect(err)
            local client = run.client_id and vim.lsp.get_client_by_id(run.client_id)
            if client then
              compat.stop(client, true)
            end
          end
        end)
      end,
      on_exit = function(code, signal)
        dispatchers.on_exit(0, 0)
        vim.schedule(function()
          ended(run, code, signal)
        end)
      end,
    })
    return vim.lsp.rpc.start(run.command, ours, { cwd = vim.uv.os_homedir() })
  end
end

local function capabilities()
  local all = vim.lsp.protocol.make_client_capabilities()
  local ghost_text = config.current.show == 'ghost'
  all.textDocument.inlineCompletion = ghost_text and { dynamicRegistration = false } or nil
  return all
end

local handlers = {
  ['window/showMessage'] = function(_, params)
    local level = ({ 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG' })[params.type] or 'INFO'
    local message = params.message:gsub('^cg2ls: ', '')
    if level == 'ERROR' then
      status.set({ state = 'failed', problem = message })
    end
    say.once(message, vim.log.levels[level])
    return vim.NIL
  end,
  ['window/logMessage'] = function(err, params, context, settings)
    local model = params.message:match('^(.+) is ready%.$')
    if model then
      status.set({ state = 'ready', model = model, problem = vim.NIL })
    end
    local default = vim.lsp.handlers['window/logMessage']
    return default and default(err, params, context, settings)
  end,
}

local function initial_options()
  local options = vim.deepcopy(config.current.settings)
  options.model = config.current.model or options.model
  return vim.tbl_isempty(options) and vim.empty_dict() or options
end

local function on_attach(client, buf)
  if wanted[buf] and config.current.show == 'ghost' and client.server_capabilities.inlineCompletionProvider then
    ghost.attach(buf, client.id)
  end
end

local function watch_handshake(run)
  vim.defer_fn(function()
    if not run.initialized and not run.broken and M.client() and M.client().id == run.client_id then
      M.stop()
      fail(
        ('`%s` does not answer; is it the cg2ls server? `:checkhealth cg2ls` looks for the cause.'):format(
          table.concat(run.command, ' ')
        )
      )
    end
  end, HANDSHAKE_MS)
end

--- Starts the server unless it runs, and completes in a buffer.
---@param buf integer
function M.start(buf)
  if not vim.api.nvim_buf_is_loaded(buf) then
    wanted[buf] = nil
    return
  end
  wanted[buf] = true
  local command, why = command_line.find()
  if not command then
    fail(why)
    return
  end
  local run = { command = command, initialized = false }
  local fresh = M.client() == nil
  if fresh then
    status.set({ state = 'starting', problem = vim.NIL, model = vim.NIL })
  end
  local root = vim.fs.root(buf, config.current.root_markers) or vim.fs.dirname(vim.api.nvim_buf_get_name(buf))
  local started, id = pcall(vim.lsp.start, {
    name = NAME,
    cmd = connect(run),
    root_dir = root ~= '.' and root or nil,
    capabilities = capabilities(),
    init_options = initial_options(),
    settings = { cg2ls = initial_options() },
    handlers = handlers,
    on_attach = on_attach,
    on_init = function()
      run.initialized = true
      status.set({ state = 'loading' })
    end,
  }, {
    bufnr = buf,
    reuse_client = function(client)
      return client.name == NAME and not client.is_stopped(client)
    end,
  })
  if not started or not id then
    fail(
      ('`%s` could not be started (%s); `:checkhealth cg2ls` looks for the cause.'):format(
        table.concat(command, ' '),
        tostring(id)
      )
    )
    return
  end
  if fresh then
    run.client_id = id
    M.run = run
    watch_handshake(run)
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

--- Ends the server; the buffers stay wanted.
function M.stop()
  local client = M.client()
  if client then
    asked_to_stop[M.run] = true
    compat.stop(client, false)
    local stopped = client
    vim.defer_fn(function()
      if not stopped.is_stopped(stopped) then
        compat.stop(stopped, true)
      end
    end, 1000)
  end
  status.set({ state = 'stopped' })
end

--- Ends the server and starts it again.
function M.restart()
  say.forget()
  crashes = {}
  local old = M.client()
  M.stop()
  local function again()
    if old and vim.lsp.get_client_by_id(old.id) then
      vim.defer_fn(again, 20)
    else
      attach_all()
    end
  end
  again()
end

--- The buffers in which completions are wanted.
---@return integer[]
function M.buffers()
  return vim.tbl_keys(wanted)
end

return M
