--- What the plugin and its server are doing, for the statusline, `:Cg2ls status` and `:checkhealth`.

local M = {}

---@alias cg2ls.State 'off'|'stopped'|'starting'|'loading'|'ready'|'failed'

---@class cg2ls.Status
---@field state cg2ls.State
---@field model string? the model's name, once the server said it
---@field problem string? why there are no completions
---@field latency_ms number? from the last request to its answer
---@field busy boolean whether an answer is awaited

---@type cg2ls.Status
M.now = { state = 'stopped', busy = false }

local asked = {} ---@type table<integer, integer> nanoseconds by request

--- Takes changes in and tells whoever listens to the event `User Cg2lsStatus`.
---@param changes table<string, any> `vim.NIL` removes a field
function M.set(changes)
  local changed = false
  for name, value in pairs(changes) do
    if value == vim.NIL then
      value = nil
    end
    changed = changed or M.now[name] ~= value
    M.now[name] = value
  end
  if changed then
    vim.schedule(function()
      vim.api.nvim_exec_autocmds('User', { pattern = 'Cg2lsStatus', modeline = false })
      vim.cmd.redrawstatus()
    end)
  end
end

--- Follows the server's requests, to know how long an answer takes.
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
      elseif request.type == 'complete' and asked[id] then
        M.now.latency_ms = (vim.uv.hrtime() - asked[id]) / 1e6
        asked[id] = nil
      else
        asked[id] = nil
      end
      M.now.busy = next(asked) ~= nil
    end,
  })
end

--- Forgets the requests of a server that is gone.
function M.reset()
  asked = {}
  M.now.busy = false
end

local MARKS = { off = 'off', stopped = 'stopped', starting = '…', loading = '…', failed = '!' }

--- A few characters for a statusline, like `cg2ls python-small 12ms`.
---@return string
function M.line()
  local now = M.now
  if now.state ~= 'ready' then
    return 'cg2ls ' .. (MARKS[now.state] or now.state)
  end
  local latency = now.latency_ms and (' %.0fms'):format(now.latency_ms) or ''
  return 'cg2ls ' .. (now.model or '') .. latency
end

return M
