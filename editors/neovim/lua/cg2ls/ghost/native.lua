--- Ghost text by Neovim 0.12's own `vim.lsp.inline_completion`.
---
--- It has three gaps that this module fills: it shows an answer until the next one comes, even if something else was
--- typed; it accepts at the position of the request, so that a key typed since is repeated; and it accepts only the
--- whole text. Filling them needs the item that is shown, which only Neovim's private `vim.lsp._capability` gives.
--- Where that is missing, its own `get()` accepts the whole text, and the other functions are left out.

local items_of = require('cg2ls.ghost.item')

local INVOKED, AUTOMATIC = 1, 2

local M = {}

local groups = {} ---@type table<integer, integer>
local steps = {} ---@type table<integer, { count: integer, request: integer? }> how far to walk once they are there
local seen = setmetatable({}, { __mode = 'k' }) ---@type table<table, cg2ls.Item> by Neovim's item

local function completor_of(buf)
  local ok, capability = pcall(require, 'vim.lsp._capability')
  local class = ok and type(capability.all) == 'table' and capability.all.inline_completion
  return class and class.active and class.active[buf]
end

--- This plugin's item for the one that Neovim shows.
local function noted(buf, theirs)
  if seen[theirs] or type(theirs.insert_text) ~= 'string' then
    return seen[theirs]
  end
  local row, col = items_of.cursor(buf)
  if not row then
    return nil
  end
  local start, stop = col, col
  if theirs.range then
    local _
    row, start, _, stop = theirs.range:to_extmark()
  end
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ''
  seen[theirs] = {
    text = theirs.insert_text,
    row = row,
    col = start,
    covered = stop - start,
    tail = line:sub(col + stop - start + 1), -- the cursor may have moved on since the request
    client_id = theirs.client_id,
    command = theirs.command,
  }
  return seen[theirs]
end

--- Hides an answer if other text was typed since.
local function guard(buf)
  local completor = completor_of(buf)
  local theirs = completor and completor.current
  if not theirs then
    return
  end
  local item = noted(buf, theirs)
  if item and not items_of.left(item, buf) then
    completor.current = nil
    completor:hide()
  end
end

--- Shows the item `count` positions further, if there are several.
local function walk(buf, count)
  local completor = completor_of(buf)
  if not completor or completor:count_items() > 1 then
    vim.lsp.inline_completion.select({ bufnr = buf, count = count })
  end
end

--- Requests explicitly, and cancels the request of the last key: its one answer would replace several.
local function ask_by_hand(completor)
  completor:reset_timer()
  completor:request(INVOKED)
end

--- Begins to show ghost text in a buffer.
function M.attach(buf)
  M.detach(buf)
  local group = vim.api.nvim_create_augroup('cg2ls.ghost.' .. buf, { clear = true })
  groups[buf] = group
  vim.lsp.inline_completion.enable(true, { bufnr = buf })
  vim.api.nvim_create_autocmd({ 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, {
    group = group,
    buffer = buf,
    callback = function()
      guard(buf)
    end,
  })
  vim.api.nvim_create_autocmd('LspRequest', {
    group = group,
    buffer = buf,
    callback = function(event)
      local request, id = event.data.request, event.data.request_id
      if request.method ~= 'textDocument/inlineCompletion' then
        return
      end
      local step = steps[buf]
      if request.type == 'pending' and step then
        step.request = step.request or id
      elseif request.type == 'complete' then
        vim.schedule(function()
          guard(buf)
          if step and step.request == id and steps[buf] == step then
            steps[buf] = nil
            walk(buf, step.count)
          end
        end)
      end
    end,
  })
end

--- Requests as if a key had been typed.
function M.ask_again(buf)
  local completor = completor_of(buf)
  if completor and vim.startswith(vim.api.nvim_get_mode().mode, 'i') then
    completor:request(AUTOMATIC)
  end
end

--- Ends it.
function M.detach(buf)
  if groups[buf] then
    vim.api.nvim_del_augroup_by_id(groups[buf])
    groups[buf] = nil
    if vim.api.nvim_buf_is_valid(buf) then
      vim.lsp.inline_completion.enable(false, { bufnr = buf })
    end
  end
end

--- The item that is shown.
---@return cg2ls.Item?
function M.current(buf)
  local completor = completor_of(buf)
  return completor and completor.current and noted(buf, completor.current)
end

--- Shows the rest of an item that was accepted in part; nil for none.
---@param item cg2ls.Item?
function M.replace(buf, item)
  local completor = completor_of(buf)
  if not completor then
    return
  end
  completor:abort()
  if not item then
    return
  end
  local stop = item.col + item.covered
  local theirs = {
    _index = 1,
    client_id = item.client_id,
    insert_text = item.text,
    range = vim.range(buf, item.row, item.col, item.row, stop),
    command = item.command,
  }
  seen[theirs] = item
  completor.current = theirs
  completor:show()
end

--- Accepts the whole text if the item is unknown.
---@return boolean
function M.accept_blindly(buf)
  return vim.lsp.inline_completion.get({ bufnr = buf })
end

--- Hides the ghost text until the next key.
function M.dismiss(buf)
  local completor = completor_of(buf)
  if completor then
    completor:abort()
  end
end

--- Shows the item `count` positions further; requests more items first if there is only one.
function M.cycle(buf, count)
  local completor = completor_of(buf)
  if completor and completor:count_items() <= 1 then
    steps[buf] = { count = count }
    ask_by_hand(completor)
  else
    walk(buf, count)
  end
end

--- Requests now.
function M.complete(buf)
  local completor = completor_of(buf)
  if completor then
    ask_by_hand(completor)
  end
end

return M
