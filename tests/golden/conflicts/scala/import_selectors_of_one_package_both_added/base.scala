import zoo.{ Ant, Bee }

object Shop
