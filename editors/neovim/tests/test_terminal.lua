--- What somebody sees in a real terminal.

local terminal = require('terminal')

--- The sample without its last lines, which are typed.
local CODE = vim.fn.readfile(require('editor').repository .. '/tools/samples/inventory.py', '', 71)

it('in a terminal: ghost text stands behind the cursor, and is taken in word by word and whole', function()
  local path = vim.fn.tempname() .. '.py'
  vim.fn.writefile(CODE, path)
  local window = terminal.open(path, { columns = 80, lines = 12 })
  local ok, problem = pcall(function()
    window:wait_for('cg2ls python-small')
    window:press('G', 'o')
    window:type('for item in inven')
    window:wait_for('\n    for item in inventory')
    window:press('Escape')
    window:wait_for('    for item in inven\n')
    window:press('A')
    window:type('t')
    window:wait_for('\n    for item in inventory')
    window:press('M-w')
    window:press('C-l', 'Escape')
    window:type(':write')
    window:press('Enter')
    window:wait_for('written')
  end)
  window:close()
  assert(ok, problem)
  local line = vim.fn.readfile(path)[#CODE + 1]
  assert(line:find('^    for item in inventory.*:$'), line)
end)
