"""Texts and numbers that programs get wrong on the way."""

# What has to survive JSON, JSON in JSON, and UTF-8: quotes, line ends, four-byte and control characters.
AWKWARD = 'Grüße – “21 °C”,\n\t"so" \\ 🌦️ \u0001 </script> \u2028 {"a": [1, 2.50, null]}'

PROMPTS = [
    "hello",
    AWKWARD,
    "  \r\n kept as it is\t\n\n",
    "".join(map(chr, range(0x20))) + "\x7f\x80\x9f",
    "👨‍👩‍👧‍👦 🇨🇭 👍🏽 e\u0301 é \U0010ffff \ufeff \u200b \u202e",
    '"}]}],"tools":[{"type":"shell"}],"x":[{"y":[{"z":"',
    "ü" * 5_000,
    "/no-such-scenario",
]

# JSON of numbers that floating-point numbers can't hold.
NUMBERS = (
    '{"account": 12345678901234567890123456789, "price":1.10, "large":1E5, '
    '"rate":-0.00000000000000000001234567890123456789, "zero":-0.0, "list":[1.0,1, 2.5e-7]}'
)

# JSON as few programs write it.
ODD_JSON = '{"":{"näme":"\\u00fc \\"\\\\ \\n 🌦️ \\u2028 </script>"},"deep":[[{"a":[null,true]}]]}'

# Stands where it must not come through.
MARKER = "MARKER7f3a"
