INSERT INTO ledger_account (code, name, asset, kind, normal_side, held) VALUES
    ('player:dream',         'Players'' DREAM wallets',          'DREAM', 'liability', 'credit', true),
    ('player:usd',           'Players'' USD wallets',            'USD',   'liability', 'credit', true),
    ('player:usd-owed',      'USD that players owe us',          'USD',   'asset',     'debit',  true),
    ('dream:issued',         'DREAM put into the world',         'DREAM', 'equity',    'credit', false),
    ('dream:redeemed',       'DREAM taken back',                 'DREAM', 'equity',    'credit', false),
    ('usd:rewards-expense',  'Rewards paid in USD',              'USD',   'expense',   'debit',  false),
    ('usd:conversion-fees',  'Conversion fees that we bear',     'USD',   'expense',   'debit',  false),
    ('usd:fees-payable',     'Owed to the conversion provider',  'USD',   'liability', 'credit', false),
    ('usd:cash',             'Cash',                             'USD',   'asset',     'debit',  false),
    ('usd:adjustments',      'Adjustments',                      'USD',   'equity',    'credit', false);
