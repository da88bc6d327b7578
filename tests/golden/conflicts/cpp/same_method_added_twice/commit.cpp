#include <string>
#include <vector>

namespace shop {

class Basket {
public:
    Basket() = default;

    int count() const {
        return static_cast<int>(items_.size());
    }

    bool empty() const {
        return count() == 0;
    }

private:
    std::vector<Item> items_;
};

}  // namespace shop
