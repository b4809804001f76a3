-- Neovim 0.10 and newer.
std = 'luajit'
max_line_length = 120
read_globals = { 'vim' }
-- Fields that are meant to be set.
globals = { 'vim.b', 'vim.g', 'vim.o', 'vim.bo', 'vim.notify', 'vim.opt' }
files['tests'] = { globals = { 'it', 'equal' } }
self = false
