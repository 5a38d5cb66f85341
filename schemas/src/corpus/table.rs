//! Tables of a corpus: as the manifest, every column is an enum variant.

/// The columns of one table: variant, name (in parentheses where it is an expression), whether it may be null, Arrow type.
macro_rules! table {
    ($(#[$meta:meta])* $enum:ident { $($variant:ident $name:tt $null:ident $ty:expr;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $enum { $($variant,)* }

        impl $enum {
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)*];

            #[allow(unused_parens)] // around a name that is an expression
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => $name,)* }
            }

            pub fn is_nullable(self) -> bool {
                match self { $($enum::$variant => $crate::corpus::table::table!(@null $null),)* }
            }

            pub fn arrow_type(self) -> ::arrow_schema::DataType {
                match self { $($enum::$variant => $ty,)* }
            }

            /// The Arrow schema of the table, columns in this order.
            pub fn schema() -> ::arrow_schema::SchemaRef {
                let field = |c: &$enum| {
                    ::arrow_schema::Field::new(c.name(), c.arrow_type(), c.is_nullable())
                };
                ::std::sync::Arc::new(::arrow_schema::Schema::new(
                    $enum::ALL.iter().map(field).collect::<Vec<_>>(),
                ))
            }
        }
    };
    (@null null) => { true };
    (@null always) => { false };
}
pub(crate) use table;
