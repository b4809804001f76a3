-- The command and the <Plug> keys. Nothing starts before `require('cg2ls').setup()` is called.

if vim.g.loaded_cg2ls then
  return
end
vim.g.loaded_cg2ls = true

vim.api.nvim_create_user_command('Cg2ls', function(arguments)
  require('cg2ls.command').run(arguments)
end, {
  nargs = '*',
  desc = 'cg2ls: code completion on your own machine',
  complete = function(lead, line)
    return require('cg2ls.command').complete(lead, line)
  end,
})

-- `:help cg2ls` works however the plugin was installed: managers differ in whether they index its help.
local doc = vim.fs.dirname(vim.fs.dirname(debug.getinfo(1, 'S').source:sub(2))) .. '/doc'
if not vim.uv.fs_stat(doc .. '/tags') then
  pcall(vim.cmd.helptags, doc) -- a folder that cannot be written has no index
end

for name, call in pairs({
  ['accept'] = 'accept',
  ['accept-word'] = 'accept_word',
  ['accept-line'] = 'accept_line',
  ['next'] = 'next',
  ['previous'] = 'previous',
  ['dismiss'] = 'dismiss',
  ['complete'] = 'complete',
}) do
  vim.keymap.set('i', ('<Plug>(cg2ls-%s)'):format(name), function()
    require('cg2ls')[call]()
  end, { desc = 'cg2ls: ' .. name:gsub('-', ' ') })
end
