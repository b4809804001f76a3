--- One run of the server's process, from its start to why it ended.
---
--- Neovim would report protocol errors and exits in words of its own; here each is one sentence that names the mend.

local compat = require('cg2ls.compat')
local process = require('cg2ls.process')

local M = {}

local EXPLAIN_MS = 10000
local HANDSHAKE_MS = 20000
local CAUSE = 'looks for the cause.'

---@class cg2ls.Run
---@field command string[]
---@field client_id integer?
---@field initialized boolean whether it finished the handshake
---@field stopping boolean whether it was asked to end
---@field broken string? what it sent that is no protocol
---@field on_end fun(run: cg2ls.Run, problem: string?) problem: nil if it crashed after having worked

---@param run cg2ls.Run
local function name_of(run)
  return '`' .. table.concat(run.command, ' ') .. '`'
end

--- Runs a server that ended at once again, without an editor, to learn what it says.
---@param run cg2ls.Run
---@param code integer
local function explain(run, code)
  process.run(run.command, { stdin = '', timeout = EXPLAIN_MS }, function(result)
    local line = process.last_line(result.stderr)
    local said = line and (' It said: %s'):format(line) or ''
    local problem = '%s ended at once with status %d.%s `:checkhealth cg2ls` ' .. CAUSE
    run.on_end(run, problem:format(name_of(run), code, said))
  end)
end

---@param run cg2ls.Run
local function ended(run, code, signal)
  if run.stopping or vim.v.exiting ~= vim.NIL then
    return
  end
  if run.broken then
    local problem = '%s does not speak the language server protocol (%s); is it the cg2ls server?'
    run.on_end(run, problem:format(name_of(run), run.broken))
  elseif run.initialized then
    run.on_end(run, nil)
  else
    explain(run, code ~= 0 and code or signal)
  end
end

--- Ends the process; a server that does not leave when asked to is killed.
---@param run cg2ls.Run
function M.stop(run)
  run.stopping = true
  local client = run.client_id and vim.lsp.get_client_by_id(run.client_id)
  if not client then
    return
  end
  compat.stop(client, false)
  vim.defer_fn(function()
    if vim.lsp.get_client_by_id(client.id) then
      compat.stop(client, true)
    end
  end, 1000)
end

---@param run cg2ls.Run
local function on_error(run, code, err)
  if run.broken then
    return
  end
  local name = vim.lsp.rpc.client_errors[code]
  run.broken = type(name) == 'string' and name:lower():gsub('_', ' ') or vim.inspect(err)
  local client = run.client_id and vim.lsp.get_client_by_id(run.client_id)
  if client then
    compat.stop(client, true)
  end
end

--- A run that has not begun, and the `cmd` for `vim.lsp.start` that begins it.
---@param command string[]
---@param on_end fun(run: cg2ls.Run, problem: string?)
---@return cg2ls.Run
---@return fun(dispatchers: table): table
function M.new(command, on_end)
  local run = { command = command, initialized = false, stopping = false, on_end = on_end }
  return run,
    function(dispatchers)
      local ours = vim.tbl_extend('force', dispatchers, {
        on_error = function(code, err)
          vim.schedule(function()
            on_error(run, code, err)
          end)
        end,
        on_exit = function(code, signal)
          dispatchers.on_exit(0, 0) -- with another status Neovim would say a sentence of its own
          vim.schedule(function()
            ended(run, code, signal)
          end)
        end,
      })
      return vim.lsp.rpc.start(run.command, ours, {})
    end
end

--- Ends a process that does not answer the handshake in time.
---@param run cg2ls.Run
function M.watch_handshake(run)
  vim.defer_fn(function()
    if not run.initialized and not run.stopping and not run.broken and vim.lsp.get_client_by_id(run.client_id) then
      M.stop(run)
      local problem = '%s does not answer; is it the cg2ls server? `:checkhealth cg2ls` ' .. CAUSE
      run.on_end(run, problem:format(name_of(run)))
    end
  end, HANDSHAKE_MS)
end

return M
