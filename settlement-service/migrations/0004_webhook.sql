-- The payment gateway's notices are in the inbox like the events of other services, each alone under its own key. They
-- grow with every payment, so they are removed after a while: this finds the old ones.
CREATE INDEX inbox_notice_age ON inbox (received_at) WHERE source = '/gateway';
