--- Keys of insert mode. Without ghost text a key keeps its usual meaning.

local config = require('cg2ls.config')

local M = {}

local made = {} ---@type table<integer, string[]> keys by buffer

--- A key's global mapping, which applies outside of this plugin's buffers.
local function global_mapping(key)
  local raw = vim.api.nvim_replace_termcodes(key, true, true, true)
  for _, mapping in ipairs(vim.api.nvim_get_keymap('i')) do
    if mapping.lhsraw == raw or mapping.lhsrawalt == raw then
      return mapping
    end
  end
end

local function feed(keys, remap)
  vim.api.nvim_feedkeys(keys, remap and 'im' or 'in', false)
end

--- Runs a key's action without this plugin.
local function fall_back(key)
  local mapping = global_mapping(key)
  if not mapping then
    local chord = key:match('^<[MmAa]%-(.+)>$') -- which Neovim takes for <Esc> and the key where it is not mapped
    if chord then
      feed(vim.keycode('<Esc>' .. (#chord == 1 and chord or '<' .. chord .. '>')), true)
    else
      feed(vim.keycode(key), false)
    end
    return
  end
  local keys = mapping.rhs
  if mapping.callback then
    keys = mapping.callback()
  elseif mapping.expr == 1 then
    keys = vim.api.nvim_eval(mapping.rhs)
  end
  if type(keys) == 'string' and (mapping.expr == 1 or not mapping.callback) then
    feed(vim.keycode(keys), mapping.noremap == 0)
  end
end

--- Maps the keys in a buffer.
---@param buf integer
function M.set(buf)
  M.remove(buf)
  made[buf] = {}
  for action, key in pairs(config.current.keymaps) do
    if key then
      vim.keymap.set('i', key, function()
        if not require('cg2ls')[action]() then
          fall_back(key)
        end
      end, { buffer = buf, desc = 'cg2ls: ' .. action:gsub('_', ' ') })
      table.insert(made[buf], key)
    end
  end
end

--- Unmaps them.
---@param buf integer
function M.remove(buf)
  for _, key in ipairs(made[buf] or {}) do
    pcall(vim.keymap.del, 'i', key, { buffer = buf })
  end
  made[buf] = nil
end

return M
