--- Writes what a terminal shows while the shipped model completes: nvim --clean --headless -l tests/picture.lua FILE
---
--- The file holds the terminal's own colour codes, of which an SVG picture is made by
---
---   python tools/picture.py docs/images/neovim.svg "Neovim 0.12 with cg2ls" < FILE

local here = vim.fs.dirname(vim.fs.normalize(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p')))
package.path = here .. '/?.lua;' .. package.path

local editor = require('editor')
local terminal = require('terminal')

local sample = editor.repository .. '/tools/samples/inventory.py'
local path = vim.fn.tempname() .. '/inventory.py'
vim.fn.mkdir(vim.fs.dirname(path), 'p')
local lines = vim.fn.readfile(sample, '', 71)
vim.fn.writefile(lines, path)

local window = terminal.open(path, {
  columns = 96,
  lines = 22,
  before = [[
    vim.o.termguicolors, vim.o.number, vim.o.scrolloff, vim.o.hlsearch = true, true, 9, false
    vim.cmd.highlight('Normal guibg=NONE')
  ]],
})
local ok, problem = pcall(function()
  window:wait_for('cg2ls ' .. editor.model)
  window:press('G', 'o')
  window:type('for item in inve')
  window:wait_for('72     for item in inventory')
  window:type('n')
  vim.wait(1500) -- for the answer to this key, whose latency is shown
  vim.fn.writefile(vim.split(window:screen(true), '\n'), arg[1])
end)
window:close()
assert(ok, problem)
