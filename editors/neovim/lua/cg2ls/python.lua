--- Finds a Python that can run the server.

local config = require('cg2ls.config')
local process = require('cg2ls.process')

local M = {}

local CANDIDATES = { 'python3.13', 'python3.12', 'python3.11', 'python3.14', 'python3', 'python' }
local LEAST, BELOW = { 3, 11 }, { 3, 15 }
local WANTED = 'Python 3.11 to 3.14'
local TIMEOUT_MS = 5000

---@param program string
---@return string? version like '3.12.1'; nil if it does not run
local function version_of(program)
  local result = process.wait({ program, '-c', 'import platform; print(platform.python_version())' }, TIMEOUT_MS)
  return result.code == 0 and process.last_line(result.stdout) or nil
end

local function fits(version)
  local parsed = vim.version.parse(version)
  if not parsed then
    return false
  end
  local pair = { parsed.major, parsed.minor }
  return vim.version.cmp(pair, LEAST) >= 0 and vim.version.cmp(pair, BELOW) < 0
end

--- Finds a Python that can run the server.
---@return string? program nil if there is none
---@return string told its version, or what to do
function M.find()
  local set = config.current.python
  local wrong ---@type string?
  for _, program in ipairs(set and { set } or CANDIDATES) do
    local version = vim.fn.executable(program) == 1 and version_of(program)
    if version and fits(version) then
      return program, version
    end
    wrong = wrong or (version and ('`%s` is Python %s'):format(program, version))
  end
  if wrong then
    return nil, ('%s, but %s is needed; install one and name it with the setting `python`.'):format(wrong, WANTED)
  elseif set then
    return nil, ('`%s`, the setting `python`, does not run; name a %s.'):format(set, WANTED)
  end
  return nil, ('there is no Python; install %s, or name one with the setting `python`.'):format(WANTED)
end

return M
