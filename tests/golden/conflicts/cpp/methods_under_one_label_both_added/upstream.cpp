#include <string>
#include <vector>

namespace shop {

class Basket {
public:
    Basket() = default;

    int count() const {
        return static_cast<int>(items_.size());
    }

    /// Whether nothing was bought.
    bool empty() const {
        return items_.empty();
    }

private:
    std::vector<Item> items_;
};

}  // namespace shop
