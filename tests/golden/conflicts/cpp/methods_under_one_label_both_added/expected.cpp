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

    template <typename Rule>
    void apply(Rule rule) {
        for (auto& item : items_) rule(item);
    }

private:
    std::vector<Item> items_;
};

}  // namespace shop
