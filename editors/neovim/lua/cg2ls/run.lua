--- One run of the server's process, from its start to the reason for its end.
---
--- Replaces Neovim's messages about protocol errors and exits by one sentence each, with the remedy.

local compat = require('cg2ls.compat')
local process = require('cg2ls.process')

local M = {}

local EXPLAIN_MS = 10000
local HANDSHAKE_MS = 60000
local CAUSE = 'looks for the cause.'

---@class cg2ls.Run
---@field command string[]
---@field client_id integer?
---@field initialized boolean whether it finished the handshake
---@field stopping boolean whether its end was requested
---@field on_end fun(run: cg2ls.Run, problem: string?) problem: nil if it crashed after having worked

---@param run cg2ls.Run
local function name_of(run)
  return '`' .. table.concat(run.command, ' ') .. '`'
end

--- Runs a server that ended at once again, without an editor, to read its output.
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
  if run.initialized then
    run.on_end(run, nil)
  else
    explain(run, code ~= 0 and code or signal)
  end
end

--- Ends the process; a server that does not end when requested is killed.
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

local errors = vim.lsp.rpc.client_errors
local NO_PROTOCOL = {
  [errors.INVALID_SERVER_MESSAGE] = 'a message without its length',
  [errors.INVALID_SERVER_JSON] = 'a message that is no JSON',
  [errors.READ_ERROR] = 'its output cannot be read',
}

--- Ends a program that is not the server.
---@param run cg2ls.Run
---@param problem string
local function give_up(run, problem)
  if not run.stopping then
    M.stop(run)
    run.on_end(run, problem)
  end
end

---@param run cg2ls.Run
---@param reason string
local function no_protocol(run, reason)
  vim.schedule(function()
    local problem = '%s does not speak the language server protocol (%s); is it the cg2ls server?'
    give_up(run, problem:format(name_of(run), reason))
  end)
end

--- Neovim's transport, except that a refused handshake, which Neovim does not expect, is handled.
---@param run cg2ls.Run
local function expecting_refusal(run, rpc)
  local request = rpc.request
  rpc.request = function(method, params, callback, ...)
    return request(method, params, function(err, result)
      if err and method == 'initialize' then
        no_protocol(run, tostring(err.message or err))
      else
        callback(err, result)
      end
    end, ...)
  end
  return rpc
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
          if NO_PROTOCOL[code] then
            no_protocol(run, NO_PROTOCOL[code])
          else
            dispatchers.on_error(code, err)
          end
        end,
        on_exit = function(code, signal)
          dispatchers.on_exit(0, 0) -- with another status Neovim would say a sentence of its own
          vim.schedule(function()
            ended(run, code, signal)
          end)
        end,
      })
      return expecting_refusal(run, vim.lsp.rpc.start(run.command, ours, { env = process.ENVIRONMENT }))
    end
end

--- Ends a process that does not answer the handshake in time.
---@param run cg2ls.Run
function M.watch_handshake(run)
  vim.defer_fn(function()
    if not run.initialized and vim.lsp.get_client_by_id(run.client_id) then
      local problem = '%s does not answer; is it the cg2ls server? `:checkhealth cg2ls` ' .. CAUSE
      give_up(run, problem:format(name_of(run)))
    end
  end, HANDSHAKE_MS)
end

return M
