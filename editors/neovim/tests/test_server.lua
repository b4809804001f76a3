--- Start and end of the server, and changes while it runs.

local editor = require('editor')

local MODEL = editor.model_folder

local function with_ghost(settings)
  local nvim = editor.open({ setup = settings })
  nvim:edit(editor.code)
  nvim:type_what_is_known()
  return nvim
end

--- A copy of the shipped model under another name.
local function other_model(nvim)
  local folder = nvim.folder .. '/other'
  vim.fn.mkdir(folder)
  for name in vim.fs.dir(MODEL) do
    assert(vim.uv.fs_copyfile(MODEL .. '/' .. name, folder .. '/' .. name))
  end
  local path = folder .. '/model.json'
  local text = table.concat(vim.fn.readfile(path), '\n')
  vim.fn.writefile(vim.split((text:gsub(vim.pesc(editor.model), 'other-small')), '\n'), path)
  return folder
end

it('a server that is killed is started again, and completes at the cursor', function()
  local nvim = with_ghost()
  local pid = nvim:lua([[return vim.fn.systemlist({ 'pgrep', '-P', tostring(vim.fn.getpid()), '-f', 'cg2ls' })[1] ]])
  assert(vim.uv.kill(tonumber(pid), 'sigkill') == 0)
  nvim:wait_for_no_ghost()
  nvim:wait(function()
    return nvim:ghost() == editor.rest
  end, 'the ghost text again, without another key')
  equal(nvim:said(), {}, 'nothing was said')
end)

it('the server is started with telemetry off, over the value of the user', function()
  local nvim = editor.open({ env = { ORT_DISABLE_TELEMETRY = '0' } })
  nvim:edit(editor.code)
  nvim:wait_until_ready()
  local pid = nvim:lua([[return vim.fn.systemlist({ 'pgrep', '-P', tostring(vim.fn.getpid()), '-f', 'cg2ls' })[1] ]])
  local file = assert(io.open(('/proc/%s/environ'):format(pid)))
  local environment = vim.split(file:read('*a'), '\0')
  file:close()
  equal(vim.tbl_contains(environment, 'ORT_DISABLE_TELEMETRY=1'), true)
  equal(vim.tbl_contains(environment, 'HOME=' .. nvim.folder), true, 'the rest is the own environment')
end)

it('a server that keeps ending is left alone, with one message', function()
  local nvim = editor.open_fake({})
  nvim:edit('')
  for _ = 1, 4 do
    nvim:wait_until_ready()
    nvim:lua([[vim.uv.kill(tonumber(vim.fn.systemlist({ 'pgrep', '-P', tostring(vim.fn.getpid()) })[1]), 'sigkill')]])
    nvim:wait(function()
      return nvim:status().state ~= 'ready'
    end, 'the end')
  end
  equal(nvim:wait_for_message('keeps ending'):match('`:Cg2ls restart` tries again'), '`:Cg2ls restart` tries again')
  equal(#nvim:said(), 1)
  nvim:press(':Cg2ls restart<CR>')
  nvim:wait_until_ready()
end)

it('another model completes without a restart', function()
  local nvim = with_ghost()
  local folder = other_model(nvim)
  equal(nvim:status().model, editor.model)
  nvim:press('<Esc>:Cg2ls model ' .. folder .. '<CR>')
  nvim:wait(function()
    local status = nvim:status()
    return status.model == 'other-small' and status.state == 'ready'
  end, 'the other model')
  nvim:press('A')
  nvim:type('i')
  nvim:wait_for_ghost()
  nvim:press('<Esc>:Cg2ls model<CR>')
  nvim:wait(function()
    return nvim:status().model == editor.model
  end, 'the first model')
end)

it('a missing model gives one message with a remedy', function()
  local nvim = editor.open({ setup = { model = 'no-such-model' } })
  nvim:edit(editor.code, 'work.py', { wait = false })
  local message = nvim:wait_for_message('no-such-model')
  assert(message:find('there are: python-27m', 1, true), message)
  nvim:press('Go')
  nvim:type(editor.typed)
  vim.wait(500)
  equal(#nvim:said(), 1, vim.inspect(nvim:said()))
  equal(nvim:status().state, 'failed')
  nvim:lua([[require('cg2ls').use_model(nil)]])
  nvim:wait_for_ghost('ghost text without another key')
end)

it('an option of the server takes effect at once', function()
  local nvim = with_ghost()
  nvim:lua([[require('cg2ls').configure({ enable = false })]])
  nvim:wait(function()
    return nvim:status().state == 'off'
  end, 'completion is off')
  nvim:type('i')
  nvim:wait_for_no_ghost()
  nvim:lua([[require('cg2ls').configure({ enable = true })]])
  nvim:wait_until_ready()
  nvim:type('n')
  nvim:wait_for_ghost()
end)

it('a setting of the plugin takes effect at once', function()
  local nvim = with_ghost()
  nvim:setup({ keymaps = { accept = '<C-y>' }, ghost_text = 'own' })
  nvim:type('i')
  nvim:wait_for_ghost()
  nvim:press('<C-y>')
  equal(nvim:line(), '    ' .. editor.typed .. editor.rest)
end)

it('completion is switched off and on, for one buffer and for all', function()
  local nvim = editor.open_fake({ { insertText = 'bcd' } })
  nvim:edit('')
  nvim:press(':Cg2ls disable buffer<CR>i')
  nvim:type('a')
  vim.wait(400)
  equal(nvim:ghost(), nil)
  nvim:press('<Esc>:Cg2ls enable buffer<CR>')
  nvim:press('A')
  nvim:type('x')
  nvim:wait_for_ghost()
  nvim:press('<Esc>:Cg2ls toggle<CR>')
  equal(nvim:status().state, 'off')
  equal(nvim:lua([[return require('cg2ls').statusline()]]), 'cg2ls off')
  nvim:press('A')
  nvim:type('y')
  vim.wait(400)
  equal(nvim:ghost(), nil)
  nvim:press('<Esc>:Cg2ls toggle<CR>')
  nvim:wait_until_ready()
  nvim:press('A')
  nvim:type('z')
  nvim:wait_for_ghost()
end)

it('only the named file types are completed, and none that `enabled` refuses', function()
  local nvim = editor.open_fake({}, { filetypes = { 'python', 'lua' } })
  nvim:lua([[vim.cmd.edit('a.txt')]])
  vim.wait(200)
  equal(nvim:lua([[return #vim.lsp.get_clients()]]), 0)
  equal(nvim:status().state, 'stopped')
  nvim:lua([[vim.cmd.edit('a.lua')]])
  nvim:wait_until_ready()
  nvim:setup({ filetypes = '*', cmd = nvim:lua([[return require('cg2ls.config').current.cmd]]) })
  nvim:lua([[require('cg2ls.config').current.enabled = function(buf)
    return not vim.api.nvim_buf_get_name(buf):find('secret')
  end]])
  nvim:lua([[vim.cmd.edit('secret.py')]])
  vim.wait(100)
  equal(nvim:lua([[return #vim.lsp.get_clients({ bufnr = 0 })]]), 0)
end)

it('one server serves every buffer and every workspace', function()
  local nvim = editor.open_fake({})
  nvim:edit('', 'one.py')
  vim.fn.mkdir(nvim.folder .. '/project/.git', 'p')
  nvim:edit('', 'project/two.py')
  equal(nvim:lua([[return #vim.lsp.get_clients()]]), 1)
  equal(#nvim:received('textDocument/didOpen'), 2)
  local added = nvim:received('workspace/didChangeWorkspaceFolders')
  equal(#added, 1)
  equal(vim.fs.basename(added[1].event.added[1].uri), 'project')
end)

it('the statusline shows the state, then the model and the last latency', function()
  local nvim = with_ghost()
  local line = nvim:lua([[return require('cg2ls').statusline()]])
  assert(line:match('^cg2ls ' .. vim.pesc(editor.model) .. ' %d+ms$'), line)
  nvim:press('<Esc>')
  nvim:lua([[require('cg2ls.server').stop()]])
  equal(nvim:lua([[return require('cg2ls').statusline()]]), 'cg2ls stopped')
end)

it('the server ends with the editor', function()
  local nvim = editor.open_fake({})
  nvim:edit('')
  local pid = tonumber(nvim:lua([[return vim.fn.systemlist({ 'pgrep', '-P', tostring(vim.fn.getpid()) })[1] ]]))
  nvim:close()
  assert(
    vim.wait(5000, function()
      return vim.uv.kill(pid, 0) ~= 0
    end),
    'the server still runs'
  )
end)

it('the log has what the server said', function()
  local nvim = editor.open()
  nvim:edit('x = 1\n')
  nvim:wait(function()
    return nvim:lua([[return require('cg2ls').status().state]]) == 'ready'
  end, 'the server is ready')
  nvim:press(':Cg2ls log<CR>')
  local text = nvim:wait(function()
    local text = table.concat(nvim:lines(), '\n')
    return text:find('log of Neovim', 1, true) and text
  end, 'the log')
  assert(text:find('is ready', 1, true), text)
end)
