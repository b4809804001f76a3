--- The shipped model in a real editor.

local editor = require('editor')

local TYPED, REST = editor.typed, editor.rest
local LINE = '    ' .. TYPED

local function opened(view, code, settings)
  local nvim = editor.open({ setup = vim.tbl_extend('force', { ghost_text = view }, settings or {}) })
  return nvim, nvim:edit(code or editor.code)
end

--- An editor in which ghost text is shown.
local function with_ghost(view)
  local nvim = opened(view)
  nvim:type_what_is_known()
  return nvim
end

for _, view in ipairs(require('views')) do
  it(view .. ': typing code shows ghost text from the shipped model', function()
    local nvim = with_ghost(view)
    equal(nvim:line(), LINE, 'the buffer has what was typed and no more')
    assert(nvim:status().latency_ms > 0)
  end)

  it(view .. ': typing through keeps the rest of the ghost text', function()
    local nvim = with_ghost(view)
    for typed = 1, #REST - 1 do
      nvim:type(REST:sub(typed, typed))
      equal(nvim:ghost(), REST:sub(typed + 1))
    end
  end)

  it(view .. ': accepting writes all of it', function()
    local nvim = with_ghost(view)
    nvim:press('<C-l>')
    equal(nvim:line(), LINE .. REST)
    equal(nvim:cursor()[2], #nvim:line())
  end)

  it(view .. ': accepting word by word writes it in pieces and shows the rest', function()
    local nvim = with_ghost(view)
    for _, taken in ipairs({ 'ine', 'ine in', 'ine in enumerate' }) do
      nvim:press('<M-w>')
      equal(nvim:line(), LINE .. taken)
      equal(nvim:ghost(), REST:sub(#taken + 1), 'ghost text')
    end
  end)

  it(view .. ': accepting the line writes the rest of it', function()
    local nvim = with_ghost(view)
    nvim:press('<M-w><M-l>')
    equal(nvim:line(), LINE .. REST)
  end)

  it(view .. ': next and previous show the completions of the shipped model', function()
    local nvim = opened(view, editor.code, { settings = { minConfidence = 0 } })
    nvim:press('Go')
    nvim:type('x = ')
    local first = nvim:wait_for_ghost()
    nvim:press('<M-n>')
    local second = nvim:wait(function()
      return (nvim:ghost() or ''):match('^(.+) %(2/%d%)$')
    end, 'the second answer')
    assert(second ~= first, second)
    nvim:press('<M-p>')
    equal((nvim:ghost():gsub(' %(1/%d%)$', '')), first)
    nvim:press('<M-n>')
    nvim:press('<C-l>')
    equal(nvim:line(), '    x = ' .. second)
  end)

  it(view .. ': one undo reverts the accepted text and keeps the typed text', function()
    local nvim = with_ghost(view)
    nvim:press('<C-l>')
    nvim:press('<Esc>')
    equal(nvim:line(), LINE .. REST)
    nvim:press('u')
    equal(nvim:line(), LINE)
  end)

  it(view .. ': typing other text hides the ghost text at once', function()
    local nvim = with_ghost(view)
    nvim:type('(')
    equal(nvim:ghost(), nil)
    equal(nvim:line(), LINE .. '(')
  end)

  it(view .. ': an emoji and a tab before the cursor', function()
    local nvim = opened(view, 'def show(data):\n')
    nvim:lua([[vim.bo.expandtab = false]])
    nvim:press('Go')
    nvim:press('<C-u>')
    nvim:type('\tif "🦉" and data is n')
    equal(nvim:wait_for_ghost(), 'ot None:')
    nvim:press('<C-l>')
    equal(nvim:line(), '\tif "🦉" and data is not None:')
  end)

  it(view .. ': a file with CRLF line ends keeps them', function()
    local nvim, path = opened(view, (editor.code:gsub('\n', '\r\n')))
    nvim:type_what_is_known()
    nvim:press('<C-l><Esc>:write<CR>')
    local wanted = (editor.code .. LINE .. REST .. '\n'):gsub('\n', '\r\n')
    nvim:wait(function()
      return nvim:lua([[return not vim.bo.modified]])
    end, 'it is written')
    local file = assert(io.open(path, 'rb'))
    equal(file:read('*a'), wanted)
    file:close()
  end)

  it(view .. ': brackets that the editor closes', function()
    local nvim = opened(view)
    nvim:lua([[
      vim.keymap.set('i', '(', '()<Left>')
      vim.keymap.set('i', ')', function()
        return vim.api.nvim_get_current_line():sub(vim.fn.col('.')):sub(1, 1) == ')' and '<Right>' or ')'
      end, { expr = true })
    ]])
    nvim:press('Go')
    nvim:type('for i, line in enumerate(l')
    equal(nvim:line(), '    for i, line in enumerate(l)')
    nvim:wait_for_ghost()
    nvim:press('<C-l>')
    equal(nvim:line(), '    for i, line in enumerate(lines):')
  end)

  it(view .. ': two windows of one editor, each with its own file', function()
    local nvim = opened(view)
    nvim:type_what_is_known()
    nvim:press('<Esc>:vsplit<CR>')
    nvim:edit('def show(data):\n', 'other.py')
    nvim:press('Go')
    nvim:type('if data is n')
    equal(nvim:wait_for_ghost(), 'ot None:')
    nvim:press('<C-l><Esc><C-w>p')
    equal(nvim:line(), LINE, 'the first window')
    nvim:press('A')
    nvim:type('i')
    equal(nvim:wait_for_ghost(), REST:sub(2))
  end)

  it(view .. ': two editors at once answer both', function()
    local one, other = opened(view), opened(view)
    one:type_what_is_known()
    other:type_what_is_known()
    one:press('<C-l>')
    equal(other:line(), LINE)
    equal(other:ghost(), REST)
  end)
end
