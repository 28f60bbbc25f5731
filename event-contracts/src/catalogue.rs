//! Every event of every context, for generators and for consumers that check themselves.
