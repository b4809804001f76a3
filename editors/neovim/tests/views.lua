--- Who can draw ghost text in this Neovim.

return vim.fn.has('nvim-0.12') == 1 and { 'native', 'own' } or { 'own' }
