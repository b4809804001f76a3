--- Short-lived programs, and environments of Python.

local M = {}

--- Environment variables of every started program, which override the user's: ONNX Runtime's telemetry is off.
M.ENVIRONMENT = { ORT_DISABLE_TELEMETRY = '1' }

---@class cg2ls.Result
---@field code integer 0 for success; 127 if the program could not be started
---@field stdout string
---@field stderr string

--- Runs a program without blocking.
---@param command string[]
---@param options table of `vim.system`
---@param done fun(result: cg2ls.Result)
function M.run(command, options, done)
  local all = vim.tbl_extend('keep', { text = true, env = M.ENVIRONMENT }, options)
  local started, problem = pcall(vim.system, command, all, function(result)
    vim.schedule(function()
      done({ code = result.code, stdout = result.stdout or '', stderr = result.stderr or '' })
    end)
  end)
  if not started then
    vim.schedule(function()
      done({ code = 127, stdout = '', stderr = tostring(problem) })
    end)
  end
end

--- Runs a program and waits for it.
---@param command string[]
---@param timeout_ms integer
---@return cg2ls.Result
function M.wait(command, timeout_ms)
  local started, process = pcall(vim.system, command, { text = true, env = M.ENVIRONMENT, timeout = timeout_ms })
  if not started then
    return { code = 127, stdout = '', stderr = tostring(process) }
  end
  local result = process:wait()
  return { code = result.code, stdout = result.stdout or '', stderr = result.stderr or '' }
end

--- The last line that is not blank.
---@param text string
---@return string? line
function M.last_line(text)
  local lines = vim.split(vim.trim(text), '\n')
  local last = vim.trim(lines[#lines])
  return last ~= '' and last or nil
end

--- A program of an environment that Python's `venv` made.
---@param folder string
---@param name string
---@return string path
function M.program_in(folder, name)
  local windows = vim.fn.has('win32') == 1
  return vim.fs.joinpath(folder, windows and 'Scripts' or 'bin', windows and name .. '.exe' or name)
end

return M
