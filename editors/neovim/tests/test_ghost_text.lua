--- The shipped model in a real editor.

local editor = require('editor')

local CODE = [[
class Inventory:
    def __init__(self):
        self.items = {}

    def total(self):
        total = 0
        for item in self.items.values():
            total += item.price * item.quantity
        return total


def print_report(inventory):
    print("total", inventory.total())
]]

local function opened(view, settings)
  local nvim = editor.open({ setup = vim.tbl_extend('keep', settings or {}, { ghost_text = view }) })
  nvim:edit(CODE)
  return nvim
end

--- An editor in which ghost text is shown behind `    for item in inv`.
local function with_ghost(view, settings)
  local nvim = opened(view, settings)
  nvim:press('Go')
  nvim:type('for item in inv')
  return nvim, nvim:wait_for_ghost()
end

for _, view in ipairs(require('views')) do
  it(view .. ': typing code shows ghost text from the shipped model', function()
    local nvim, ghost = with_ghost(view)
    equal(nvim:line(), '    for item in inv', 'the buffer has what was typed and no more')
    assert(vim.startswith(ghost, 'entory'), ghost)
    assert(nvim:status().latency_ms > 0)
  end)

  it(view .. ': typing through keeps the rest of the ghost text', function()
    local nvim, ghost = with_ghost(view)
    nvim:type('ent')
    equal(nvim:ghost(), ghost:sub(4))
    nvim:type('or')
    equal(nvim:ghost(), ghost:sub(6))
  end)

  it(view .. ': accepting writes all of it', function()
    local nvim, ghost = with_ghost(view)
    nvim:press('<C-l>')
    equal(nvim:line(), '    for item in inv' .. ghost)
    equal(nvim:cursor()[2], #nvim:line())
  end)

  it(view .. ': accepting word by word writes it in pieces and shows the rest', function()
    local nvim, ghost = with_ghost(view)
    local word = ghost:match('^%w+')
    nvim:press('<M-w>')
    equal(nvim:line(), '    for item in inv' .. word)
    equal(nvim:ghost(), ghost:sub(#word + 1), 'ghost text')
  end)

  it(view .. ': one undo takes back what was accepted, and leaves what was typed', function()
    local nvim, ghost = with_ghost(view)
    nvim:press('<C-l>')
    nvim:press('<Esc>')
    equal(nvim:line(), '    for item in inv' .. ghost)
    nvim:press('u')
    equal(nvim:line(), '    for item in inv')
  end)

  it(view .. ': typing something else takes the ghost text away at once', function()
    local nvim = with_ghost(view)
    nvim:type('(')
    equal(nvim:ghost(), nil)
    equal(nvim:line(), '    for item in inv(')
  end)

  it(view .. ': an emoji and a tab before the cursor', function()
    local nvim = opened(view)
    nvim:press('Go')
    nvim:press('<C-u>')
    nvim:type('\tname = "🦉", inv')
    nvim:lua([[vim.bo.expandtab = false]])
    local line = nvim:line()
    local ghost = nvim:wait_for_ghost()
    nvim:press('<C-l>')
    equal(nvim:line(), line .. ghost)
  end)

  it(view .. ': a file with CRLF line ends keeps them', function()
    local nvim = editor.open({ setup = { ghost_text = view } })
    local path = nvim:edit((CODE:gsub('\n', '\r\n')))
    nvim:press('Go')
    nvim:type('for item in inv')
    local ghost = nvim:wait_for_ghost()
    assert(not ghost:find('\r', 1, true), ghost)
    nvim:press('<C-l><Esc>:write<CR>')
    local file = assert(io.open(path, 'rb'))
    local text = file:read('*a')
    file:close()
    local wanted = ('\r\n    for item in inv%s\r\n'):format(ghost)
    equal(text:sub(-#wanted), wanted)
    equal(select(2, text:gsub('\r\n', '')), select(2, text:gsub('\n', '')), 'line ends')
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
    nvim:type('for item in inventory.items.values(')
    equal(nvim:line(), '    for item in inventory.items.values()')
    nvim:wait_for_ghost()
    nvim:press('<C-l>')
    equal(nvim:line():match('^    for item in inventory.items.values%(%)'), '    for item in inventory.items.values()')
    equal(select(2, nvim:line():gsub('%(', '')), select(2, nvim:line():gsub('%)', '')), 'brackets of ' .. nvim:line())
  end)

  it(view .. ': two editors at once answer both', function()
    local one, other = opened(view), opened(view)
    one:press('Go')
    other:press('Go')
    one:type('for item in inv')
    other:type('for item in inv')
    equal(one:wait_for_ghost(), other:wait_for_ghost())
    one:press('<C-l>')
    equal(other:line(), '    for item in inv')
  end)
end
