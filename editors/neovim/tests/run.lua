--- Runs the tests: nvim --clean --headless -l tests/run.lua [FILE...]
---
--- Every test controls a separate Neovim, the program named by NVIM, through its API.

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
package.path = here
  .. '/?.lua;'
  .. vim.fs.dirname(here)
  .. '/lua/?.lua;'
  .. vim.fs.dirname(here)
  .. '/lua/?/init.lua;'
  .. package.path

local files = vim.list_slice(arg, 1)
if #files == 0 then
  files = vim.fn.sort(vim.fn.glob(here .. '/test_*.lua', true, true))
end

local passed, failed = 0, 0

--- Registers and runs a test.
function _G.it(title, body)
  local began = vim.uv.hrtime()
  local ok, problem = pcall(body)
  require('editor').close_all()
  local seconds = (vim.uv.hrtime() - began) / 1e9
  passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
  io.stdout:write(('%s  %s (%.1f s)\n'):format(ok and 'ok  ' or 'FAIL', title, seconds))
  if not ok then
    io.stdout:write('      ' .. tostring(problem):gsub('\n', '\n      ') .. '\n')
  end
  io.stdout:flush()
end

--- Fails unless two values are equal.
function _G.equal(found, wanted, what)
  if not vim.deep_equal(found, wanted) then
    error(('%s: found %s, wanted %s'):format(what or 'values differ', vim.inspect(found), vim.inspect(wanted)), 2)
  end
end

for _, file in ipairs(files) do
  io.stdout:write(vim.fs.basename(file) .. '\n')
  dofile(file)
end

io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
os.exit(failed == 0 and passed > 0 and 0 or 1)
