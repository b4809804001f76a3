--- Differences between Neovim 0.10, 0.11 and 0.12.

local M = {}

local is_new = vim.fn.has('nvim-0.11') == 1

local function call(client, name, ...)
  if is_new then
    return client[name](client, ...)
  end
  return client[name](...)
end

--- Whether this Neovim shows inline completions by itself.
M.has_native = vim.fn.has('nvim-0.12') == 1 and pcall(require, 'vim.lsp.inline_completion')

--- Sends a request.
---@return integer? id nil if it could not be sent
function M.request(client, method, params, handler, buf)
  local sent, id = call(client, 'request', method, params, handler, buf)
  return sent and id or nil
end

--- Sends a notification.
function M.notify(client, method, params)
  return call(client, 'notify', method, params)
end

--- Cancels a request.
function M.cancel(client, id)
  return call(client, 'cancel_request', id)
end

--- Ends a server.
---@param force boolean
function M.stop(client, force)
  return call(client, 'stop', force)
end

--- The LSP column of a byte in a line. Neovim 0.10's own is wrong in lines with characters of several bytes.
---@param line string
---@param byte integer 0-based
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer
function M.character_of(line, byte, encoding)
  if encoding == 'utf-8' then
    return byte
  end
  local before = line:sub(1, byte)
  if is_new then
    return vim.str_utfindex(before, encoding)
  end
  local units32, units16 = vim.str_utfindex(before)
  return encoding == 'utf-16' and units16 or units32
end

--- The byte in a line at which an LSP column begins.
---@param line string
---@param character integer in the units of `encoding`
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer byte 0-based, never past the line's end
function M.byte_of(line, character, encoding)
  if encoding == 'utf-8' then
    return math.min(character, #line)
  end
  if is_new then
    return vim.str_byteindex(line, encoding, character, false)
  end
  local units32, units16 = vim.str_utfindex(line)
  local utf16 = encoding == 'utf-16'
  return vim.str_byteindex(line, math.min(character, utf16 and units16 or units32), utf16)
end

return M
