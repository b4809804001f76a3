--- Names from other files of the workspace, which the model alone does not know.

local editor = require('editor')

local LEDGER = [[
class OrderLedger:
    def settle_outstanding_balance(self):
        return self.balance


def close_month(ledger):
    return ledger.settle_outstanding_balance()


def close_year(ledger):
    return ledger.settle_outstanding_balance()
]]
local CODE = 'from ledger import OrderLedger\n\n\ndef close_week(ledger):\n'

local function typed_in_a_repository(settings)
  local nvim = editor.open({ setup = settings })
  vim.fn.mkdir(nvim.folder .. '/project/.git', 'p')
  vim.fn.writefile(vim.split(LEDGER, '\n'), nvim.folder .. '/project/ledger.py')
  nvim:edit(CODE, 'project/main.py')
  nvim:press('Go')
  nvim:type('return ledger.settle_')
  return nvim
end

it('a name from another file is shown', function()
  local nvim = typed_in_a_repository({})
  nvim:wait(function() -- the workspace is read in the background, at low priority
    nvim:type('o')
    vim.wait(500)
    local ghost = nvim:ghost()
    nvim:press('<BS>')
    return ghost and ghost:find('utstanding_balance', 1, true)
  end, 'the name', 60000)
end)

it('without memory nobody knows it', function()
  local nvim = typed_in_a_repository({ settings = { memory = false } })
  nvim:type('o')
  vim.wait(2000)
  assert(not (nvim:ghost() or ''):find('utstanding_balance', 1, true), nvim:ghost())
end)
