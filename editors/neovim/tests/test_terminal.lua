--- What somebody sees in a real terminal.

local editor = require('editor')
local terminal = require('terminal')

local LINE = '    ' .. editor.typed .. editor.rest

it('in a terminal: ghost text is shown after the cursor, and is accepted by word and as a whole', function()
  local path = vim.fn.tempname() .. '.py'
  vim.fn.writefile(vim.split(vim.trim(editor.code), '\n'), path)
  local window = terminal.open(path, { columns = 80, lines = 12 })
  local ok, problem = pcall(function()
    window:wait_for('cg2ls ' .. editor.model)
    window:press('G', 'o')
    window:type(editor.typed)
    window:wait_for('\n' .. LINE .. '\n')
    window:press('Escape')
    window:wait_for('\n    ' .. editor.typed .. '\n')
    window:press('A')
    window:type('i')
    window:wait_for('\n' .. LINE .. '\n')
    window:press('M-w')
    window:press('C-l', 'Escape')
    window:type(':write')
    window:press('Enter')
    window:wait_for('written')
  end)
  window:close()
  assert(ok, problem)
  equal(vim.fn.readfile(path)[3], LINE)
end)
