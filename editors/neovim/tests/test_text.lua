local compat = require('cg2ls.compat')
local text = require('cg2ls.text')

it('a word has the blanks before it; a run of punctuation is one, too', function()
  local function words(whole)
    local found = {}
    while whole ~= '' do
      local word = text.first_word(whole)
      table.insert(found, word)
      whole = whole:sub(#word + 1)
    end
    return found
  end
  equal(words('foo(bar, 1)'), { 'foo', '(', 'bar', ',', ' 1', ')' })
  equal(words('\n    x += größe\n'), { '\n    x', ' +=', ' größe', '\n' })
end)

it('a line ends before its line end, and begins with the one before it', function()
  equal(text.first_line('a b\nc'), 'a b')
  equal(text.first_line('\n  c\nd'), '\n  c')
  equal(text.first_line(''), '')
end)

it('covered closers are found from the right', function()
  equal(text.align('g(a), b))', '))'), { 7, 8 })
  equal(text.align('a)', ')'), { 1 })
  equal(text.align('a', ')'), nil)
  equal(text.align('a', ''), {})
end)

it('accepting a part takes the closers in it', function()
  equal(text.consumed('a) + b', ')', 1), 0)
  equal(text.consumed('a) + b', ')', 2), 1)
  equal(text.consumed('no closers', ')', 10), 1, 'the whole takes all that it covers')
end)

it('columns and bytes go back and forth in every encoding', function()
  local line = '\tä🦉x'
  for encoding, columns in pairs({
    ['utf-8'] = { [0] = 0, [1] = 1, [3] = 3, [7] = 7, [8] = 8 },
    ['utf-16'] = { [0] = 0, [1] = 1, [3] = 2, [7] = 4, [8] = 5 },
    ['utf-32'] = { [0] = 0, [1] = 1, [3] = 2, [7] = 3, [8] = 4 },
  }) do
    for byte, column in pairs(columns) do
      equal(compat.character_of(line, byte, encoding), column, encoding)
      equal(compat.byte_of(line, column, encoding), byte, encoding)
    end
    equal(compat.byte_of(line, 99, encoding), #line, 'past the end')
  end
end)
