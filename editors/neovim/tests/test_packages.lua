--- The plugin as users install it, and its interface apart from ghost text.

local editor = require('editor')

it('installed as a plain package: the command, the keys, and the help without `:helptags`', function()
  local nvim = editor.open({ setup = false })
  local start = nvim.folder .. '/data/nvim/site/pack/any/start'
  vim.fn.mkdir(start, 'p')
  assert(vim.system({ 'cp', '-r', editor.plugin, start .. '/cg2ls' }):wait().code == 0)
  local found = nvim:lua([[
    local result = vim.system({ vim.v.progpath, '--headless', '-c', 'lua require("cg2ls").setup()',
      '-c', 'help cg2ls-keymaps',
      '-c', 'lua io.write(vim.fn.exists(":Cg2ls"), " ", vim.fn.expand("%:t"))', '-c', 'qall!' }, { text = true }):wait()
    return result.stdout .. result.stderr
  ]])
  assert(found:find('2 cg2ls.txt', 1, true), found)
end)

it('every help tag exists once, and every setting, command and function has one', function()
  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder)
  assert(vim.uv.fs_copyfile(editor.plugin .. '/doc/cg2ls.txt', folder .. '/cg2ls.txt'))
  vim.cmd.helptags(folder)
  local tags = {}
  for _, line in ipairs(vim.fn.readfile(folder .. '/tags')) do
    tags[line:match('^[^\t]+')] = true
  end
  for name in pairs(require('cg2ls.config').checks) do
    assert(tags['cg2ls-settings-' .. name], 'no tag for the setting ' .. name)
  end
  for name in pairs(require('cg2ls')) do
    assert(tags[('cg2ls.%s()'):format(name)], 'no tag for the function ' .. name)
  end
  for name in pairs(require('cg2ls.command').commands) do
    assert(tags[':Cg2ls-' .. name], 'no tag for :Cg2ls ' .. name)
  end
end)

if vim.fn.has('nvim-0.12') == 1 then
  it('by vim.pack in one line, from what `cg2ls neovim --git` wrote', function()
    local nvim = editor.open({ setup = false })
    local written = nvim.folder .. '/cg2ls.nvim'
    local command = { vim.env.CG2LS_PYTHON, '-m', 'cg2ls', 'neovim', '--git', written }
    local result = vim.system(command, { text = true }):wait()
    assert(result.code == 0, result.stderr)
    vim.fn.writefile({
      ('vim.pack.add({ "file://%s" }, { confirm = false })'):format(written),
      'require("cg2ls").setup({})',
    }, nvim.folder .. '/init.lua')
    local found = nvim:lua(
      [[
      local result = vim.system({ vim.v.progpath, '--headless', '-u', ..., '-c',
        'lua io.write(vim.fn.exists(":Cg2ls"), " ", vim.api.nvim_get_runtime_file("lua/cg2ls/init.lua", false)[1])',
        '-c', 'qall!' }, { text = true }):wait()
      return result.stdout .. result.stderr
    ]],
      nvim.folder .. '/init.lua'
    )
    assert(found:find('2 ' .. nvim.folder .. '/data/nvim/site/pack', 1, true), found)
  end)
end

it('checkhealth reports the server, its model and problems', function()
  local nvim = editor.open()
  nvim:edit('x = 1\n')
  nvim:press(':checkhealth cg2ls<CR>')
  local text = nvim:wait(function()
    local text = table.concat(nvim:lines(), '\n')
    return text:find('This session', 1, true) and text
  end, 'the report')
  assert(text:find('finds that completion works here', 1, true), text)
  assert(text:find(editor.model, 1, true), text)
  assert(not text:find('ERROR', 1, true), text)

  local broken = editor.open({ setup = { cmd = { 'no-such-program' } } })
  broken:press(':checkhealth cg2ls<CR>')
  text = broken:wait(function()
    local lines = table.concat(broken:lines(), '\n')
    return lines:find('This session', 1, true) and lines
  end, 'the report')
  assert(text:find('correct it or remove the setting', 1, true), text)
end)

it('completions in the menu instead of ghost text', function()
  local nvim = editor.open({ setup = { show = 'menu' } })
  nvim:edit(editor.code)
  equal(nvim:lua([[return vim.bo.omnifunc]]), 'v:lua.vim.lsp.omnifunc')
  nvim:press('Go')
  nvim:type(editor.typed)
  vim.wait(400)
  equal(nvim:ghost(), nil)
  nvim:press('<C-x><C-o>')
  nvim:wait(function()
    return nvim:line() == '    ' .. editor.typed .. editor.rest
  end, 'the entry is written, being the only one')
end)
