//! Withdraw: what is made from a withdrawn person goes.
