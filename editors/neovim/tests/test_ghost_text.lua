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

for _, view in ipairs(vim.fn.has('nvim-0.12') == 1 and { 'native', 'own' } or { 'own' }) do
  local function opened(settings)
    local nvim = editor.open({ setup = vim.tbl_extend('keep', settings or {}, { ghost_text = view }) })
    nvim:edit(CODE)
    return nvim
  end

  --- An editor in which ghost text is shown behind `    for item in inv`.
  local function with_ghost(settings)
    local nvim = opened(settings)
    nvim:press('Go')
    nvim:type('for item in inv')
    return nvim, nvim:wait_for_ghost()
  end

  it(view .. ': typing code shows ghost text from the shipped model', function()
    local nvim, ghost = with_ghost()
    equal(nvim:line(), '    for item in inv', 'the buffer has what was typed and no more')
    assert(vim.startswith(ghost, 'entory'), ghost)
  end)

  it(view .. ': typing through keeps the rest of the ghost text', function()
    local nvim, ghost = with_ghost()
    nvim:type('ent')
    equal(nvim:ghost(), ghost:sub(4))
    nvim:type('or')
    equal(nvim:ghost(), ghost:sub(6))
  end)

  it(view .. ': accepting writes all of it', function()
    local nvim, ghost = with_ghost()
    nvim:press('<C-l>')
    equal(nvim:line(), '    for item in inv' .. ghost)
    equal(nvim:cursor()[2], #nvim:line())
  end)
end
