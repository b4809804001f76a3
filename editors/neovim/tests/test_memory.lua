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

local function in_a_repository(settings)
  local nvim = editor.open({
    setup = settings,
    before = [[vim.api.nvim_create_autocmd('LspProgress', { pattern = 'end', callback = function() read = true end })]],
  })
  vim.fn.mkdir(nvim.folder .. '/project/.git', 'p')
  vim.fn.writefile(vim.split(LEDGER, '\n'), nvim.folder .. '/project/ledger.py')
  nvim:edit(CODE, 'project/main.py')
  nvim:press('Go')
  return nvim
end

local NAME = 'settle_outstanding_balance'

--- Types the name's first letters one by one until ghost text has the rest.
local function is_shown_after_some_letters(nvim)
  nvim:type('return ledger.')
  for typed = 1, 6 do
    nvim:type(NAME:sub(typed, typed))
    local function shown()
      return vim.startswith(nvim:ghost() or '', NAME:sub(typed + 1))
    end
    if vim.wait(2000, shown, 20) then
      return true
    end
  end
  return false
end

--- Repeats this, for a machine that is too busy to answer between two keys.
local function is_shown_in_the_end(nvim)
  for _ = 1, 20 do
    if is_shown_after_some_letters(nvim) then
      return true
    end
    nvim:press(('<BS>'):rep(#'return ledger.' + 6))
  end
  return false
end

it('a name from another file is shown', function()
  local nvim = in_a_repository({ settings = { minConfidence = 0 } }) -- the likeliest, however sure it is
  nvim:wait(function()
    return nvim:lua([[return read]])
  end, 'the workspace is read')
  assert(is_shown_in_the_end(nvim), nvim:line())
end)

it('without memory the name is not shown', function()
  local nvim = in_a_repository({ settings = { memory = false } })
  assert(not is_shown_after_some_letters(nvim), nvim:ghost())
end)
