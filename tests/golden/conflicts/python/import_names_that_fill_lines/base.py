from shop import (a_long_name_of_a_bell, a_long_name_of_a_cart,
                  a_long_name_of_a_desk, a_long_name_of_a_till)

print(1)
