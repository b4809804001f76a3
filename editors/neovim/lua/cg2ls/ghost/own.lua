--- Ghost text drawn by this plugin: for Neovim 0.10 and 0.11, and on request for 0.12.

local compat = require('cg2ls.compat')
local config = require('cg2ls.config')
local draw = require('cg2ls.ghost.draw')
local items_of = require('cg2ls.ghost.item')

local METHOD = 'textDocument/inlineCompletion'
local INVOKED, AUTOMATIC = 1, 2

local M = {}

---@class cg2ls.OwnState
---@field client_id integer
---@field group integer
---@field timer uv.uv_timer_t
---@field items cg2ls.Item[]
---@field index integer of the item that is shown
---@field request integer? the pending request
---@field asked string where the last request was made
---@field counted boolean whether to show which item of how many it is

---@type table<integer, cg2ls.OwnState>
local states = {}

local function client_of(state)
  local client = vim.lsp.get_client_by_id(state.client_id)
  return client and not client.is_stopped(client) and client or nil
end

local function take_back(state)
  local client = client_of(state)
  if state.request and client then
    compat.cancel(client, state.request)
  end
  state.request = nil
end

local function hide(buf, state)
  state.items = {}
  draw.clear(buf)
end

local function inserting()
  return vim.startswith(vim.api.nvim_get_mode().mode, 'i')
end

--- Draws the rest of the shown item, or hides it if other text was typed.
local function refresh(buf, state)
  local item = state.items[state.index]
  local left = item and items_of.left(item, buf)
  if not left or not inserting() then
    hide(buf, state)
    return
  end
  local note = state.counted and (' (%d/%d)'):format(state.index, #state.items) or nil
  draw.show(buf, left.row, left.col, left.text, left.covered, note)
end

---@param raw table an `InlineCompletionItem`
---@param line string the cursor's line when the request was made
---@return cg2ls.Item? item nil for kinds that this server does not send
local function item_from(raw, client, row, col, line)
  if type(raw.insertText) ~= 'string' then
    return nil
  end
  local stop = col
  local start = col
  if raw.range then
    start = compat.byte_of(line, raw.range.start.character, client.offset_encoding)
    stop = compat.byte_of(line, raw.range['end'].character, client.offset_encoding)
  end
  return {
    text = raw.insertText,
    row = row,
    col = start,
    covered = math.max(0, stop - col),
    tail = line:sub(math.max(stop, col) + 1),
    client_id = client.id,
    command = raw.command,
  }
end

--- Sends a request; the answer is shown if the cursor has not moved away.
local function ask(buf, state, kind, on_answer)
  state.timer:stop() -- this request takes the place of the one that waits
  take_back(state)
  local client = client_of(state)
  local row, col = items_of.cursor(buf)
  if not client or not row or not inserting() then
    return
  end
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = { line = row, character = compat.character_of(line, col, client.offset_encoding) },
    context = { triggerKind = kind },
  }
  local id
  id = compat.request(client, METHOD, params, function(err, result)
    if state.request ~= id or states[buf] ~= state then
      return
    end
    state.request = nil
    if err or not result or result == vim.NIL then
      return -- null and errors leave alone what is shown
    end
    state.items = {}
    for _, raw in ipairs(result.items or result) do
      table.insert(state.items, item_from(raw, client, row, col, line))
    end
    state.index, state.counted = 1, false
    if on_answer then
      on_answer()
    end
    refresh(buf, state)
  end, buf)
  state.request = id
end

local function on_key(buf, state)
  refresh(buf, state)
  if not config.current.auto or not inserting() or vim.fn.reg_executing() ~= '' then
    return
  end
  local row, col = items_of.cursor(buf)
  local place = ('%d:%d:%d'):format(vim.api.nvim_buf_get_changedtick(buf), row or -1, col)
  if place == state.asked then
    return
  end
  state.asked = place
  state.timer:stop()
  state.timer:start(
    config.current.debounce_ms,
    0,
    vim.schedule_wrap(function()
      if states[buf] == state then
        ask(buf, state, AUTOMATIC)
      end
    end)
  )
end

local function on_leave(buf, state)
  state.timer:stop()
  state.asked = ''
  take_back(state)
  hide(buf, state)
end

--- Begins to show ghost text in a buffer.
function M.attach(buf, client_id)
  M.detach(buf)
  local group = vim.api.nvim_create_augroup('cg2ls.ghost.' .. buf, { clear = true })
  local state = {
    client_id = client_id,
    group = group,
    timer = assert(vim.uv.new_timer()),
    items = {},
    index = 1,
    asked = '',
    counted = false,
  }
  states[buf] = state
  vim.api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, {
    group = group,
    buffer = buf,
    callback = function()
      on_key(buf, state)
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave' }, {
    group = group,
    buffer = buf,
    callback = function()
      on_leave(buf, state)
    end,
  })
  if inserting() then
    on_key(buf, state)
  end
end

--- Requests as if a key had been typed.
function M.ask_again(buf)
  if inserting() then
    ask(buf, states[buf], AUTOMATIC)
  end
end

--- Ends it.
function M.detach(buf)
  local state = states[buf]
  if not state then
    return
  end
  states[buf] = nil
  on_leave(buf, state)
  state.timer:close()
  vim.api.nvim_del_augroup_by_id(state.group)
end

--- The item that is shown.
---@return cg2ls.Item?
function M.current(buf)
  local state = states[buf]
  return state and state.items[state.index]
end

--- Shows the rest of an item that was accepted in part; nil for none.
---@param item cg2ls.Item?
function M.replace(buf, item)
  local state = states[buf]
  if state then
    take_back(state)
    state.items, state.index, state.counted = { item }, 1, false
    refresh(buf, state)
  end
end

--- Hides the ghost text until the next key.
function M.dismiss(buf)
  local state = states[buf]
  if state then
    state.timer:stop()
    take_back(state)
    hide(buf, state)
  end
end

--- Shows the item `count` positions further; requests more items first if there is only one.
function M.cycle(buf, count)
  local state = states[buf]
  if not state then
    return
  end
  local function step()
    if #state.items > 0 then
      state.index = (state.index - 1 + count) % #state.items + 1
      state.counted = true
    end
  end
  if #state.items > 1 then
    step()
    refresh(buf, state)
  else
    ask(buf, state, INVOKED, step)
  end
end

--- Requests now.
function M.complete(buf)
  if states[buf] then
    ask(buf, states[buf], INVOKED)
  end
end

return M
