--- State of the plugin and its server, for the statusline, `:Cg2ls status` and `:checkhealth`.

local M = {}

---@alias cg2ls.State 'stopped'|'starting'|'loading'|'ready'|'busy'|'idle'|'off'|'failed'

---@class cg2ls.Status
---@field state cg2ls.State 'idle': the model is unloaded until the next request
---@field model string? the model's name
---@field message string? one sentence for the user
---@field latency_ms number? from the last request to its answer

---@type cg2ls.Status
M.now = { state = 'stopped' }

local asked = {} ---@type table<integer, integer> nanoseconds by request

--- Sets the state and triggers the event `User Cg2lsStatus`.
---@param state cg2ls.State
---@param message? string
---@param model? string
function M.set(state, message, model)
  local now = M.now
  if now.state == state and now.message == message and now.model == model then
    return
  end
  now.state, now.message, now.model = state, message, model
  vim.schedule(function()
    vim.api.nvim_exec_autocmds('User', { pattern = 'Cg2lsStatus', modeline = false })
    vim.cmd.redrawstatus()
  end)
end

--- Measures how long the server's answers take.
---@param group integer
function M.watch(group)
  vim.api.nvim_create_autocmd('LspRequest', {
    group = group,
    callback = function(event)
      local request, id = event.data.request, event.data.request_id
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if request.method ~= 'textDocument/inlineCompletion' or not client or client.name ~= 'cg2ls' then
        return
      end
      if request.type == 'pending' then
        asked[id] = vim.uv.hrtime()
        return
      end
      if request.type == 'complete' and asked[id] then
        M.now.latency_ms = (vim.uv.hrtime() - asked[id]) / 1e6
        vim.schedule(vim.cmd.redrawstatus)
      end
      asked[id] = nil
    end,
  })
end

--- Forgets the requests of a server that has ended.
function M.reset()
  asked = {}
end

local MARKS = { starting = '…', loading = '…', failed = '!', idle = 'zz' }

--- Returns a short text for a statusline, like `cg2ls python-27m 12ms`, `cg2ls …` or `cg2ls off`.
---@return string
function M.line()
  local now = M.now
  if now.state ~= 'ready' and now.state ~= 'busy' then
    return 'cg2ls ' .. (MARKS[now.state] or now.state)
  end
  local latency = now.latency_ms and (' %.0fms'):format(now.latency_ms) or ''
  return 'cg2ls ' .. (now.model or '') .. latency
end

return M
